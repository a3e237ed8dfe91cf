/** What the transcripts ask to see of a node: its role, its log on disk, and what it knows of its followers. */
import { isVoter } from "../../../src/consensus/core/configuration.ts";
import { type PeerProgress } from "../../../src/consensus/core/types.ts";
import { entryLine, roleNames } from "./format.ts";
import { type InteractionNode } from "./node.ts";

const stateNames = {
  probe: "StateProbe",
  replicate: "StateReplicate",
  snapshot: "StateSnapshot",
} as const satisfies Record<PeerProgress["state"], string>;

export function stateLines(nodes: readonly InteractionNode[]): readonly string[] {
  return nodes.map(({ id, core }) => {
    const { role, term, leader, effective } = core.status();
    const votes = isVoter(effective, id) ? "Voter" : "Non-Voter";
    return `${id}: ${roleNames[role]} (${votes}) Term:${term} Lead:${leader ?? "0"}`;
  });
}

export function logLines({ diskFirst, diskEntries }: InteractionNode): readonly string[] {
  if (diskEntries.length > 0) return diskEntries.map(entryLine);
  return [`log is empty: first index=${diskFirst}, last index=${diskFirst - 1}`];
}

/** The leader's own line tells what its disk has. */
export function statusLines({ id, core, maxInflight }: InteractionNode): readonly string[] {
  const { peers, persisted } = core.status();
  const lines = new Map([[id, `StateReplicate match=${persisted} next=${persisted + 1}`]]);
  for (const [peer, progress] of peers) lines.set(peer, progressText(progress, maxInflight));
  return [...lines]
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([peer, text]) => `${peer}: ${text}`);
}

function progressText({ state, match, next, inflight }: PeerProgress, max: number): string {
  const parts = [stateNames[state], `match=${match}`, `next=${next}`];
  const full = inflight >= max;
  if (state === "snapshot" || full) parts.push("paused");
  if (state === "snapshot") parts.push(`pendingSnap=${next - 1}`);
  if (inflight > 0) parts.push(`inflight=${inflight}${full ? "[full]" : ""}`);
  return parts.join(" ");
}
