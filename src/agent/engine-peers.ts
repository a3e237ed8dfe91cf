/** The config engine's view of other agents: who can be asked, and the requests, over the mesh. */
import { type PeerId } from "../base/ids.ts";
import { type Random, shuffle } from "../base/random.ts";
import { AgentError } from "../base/errors.ts";
import { type EnginePeers } from "../config-engine/ports.ts";
import { type CopyPeers } from "../config-engine/transcript-copies.ts";
import { parseTranscriptPart } from "../config-engine/transcript-rpc.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type Rpc } from "../p2p/ports.ts";

export interface EnginePeersDeps {
  readonly self: PeerId;
  readonly rpc: Rpc;
  readonly gossip: GossipNode;
  readonly view: InventoryView;
  readonly random: Random;
}

/** A transcript of 64 MiB on a slow line takes minutes. */
const copyTimeoutMs = 600_000;
const readSlackMs = 10_000;

export function createEnginePeers(deps: EnginePeersDeps): EnginePeers & CopyPeers {
  const { rpc } = deps;
  return {
    candidates: () => candidates(deps),
    hasBundle: async (peer, sha256, timeoutMs) => {
      return (await rpc.call(peer, "bundle.has", { sha256 }, { timeoutMs })) === true;
    },
    bundleChunk: async (peer, sha256, offset, timeoutMs) => {
      const payload = { sha256, offset };
      const answer = await rpc.call(peer, "bundle.chunk", payload, { timeoutMs, lane: "bulk" });
      if (answer instanceof Uint8Array) return answer;
      throw new AgentError("BAD_ANSWER", `Peer ${peer} gave something that is no chunk`);
    },
    remoteRead: async (peer, run, { offset, maxBytes, waitMs, signal }) => {
      const payload = { run, offset, maxBytes, waitMs };
      const limits = { timeoutMs: waitMs + readSlackMs, lane: "bulk" } as const;
      const options = signal === undefined ? limits : { ...limits, signal };
      return parseTranscriptPart(await rpc.call(peer, "transcript.read", payload, options));
    },
    requestCopy: async (peer, run, signal) => {
      const options = { timeoutMs: copyTimeoutMs, signal };
      await rpc.call(peer, "transcript.copy", { run }, options);
    },
  };
}

/** Members that are alive; those that packed a revision first, as they surely have a bundle. */
function candidates({ self, gossip, view, random }: EnginePeersDeps): readonly PeerId[] {
  const packers = new Set(view.revisions().map((revision) => revision.fetchedBy));
  const alive = gossip
    .members()
    .filter((member) => member.status === "alive" && member.id !== self)
    .map((member) => member.id);
  const first = alive.filter((peer) => packers.has(peer));
  const others = alive.filter((peer) => !packers.has(peer));
  return [...shuffle(first, random), ...shuffle(others, random)];
}
