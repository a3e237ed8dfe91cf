/**
 * Nodes (N): what is on a machine is known to the side it was on, so that side's record counts, whoever wrote last.
 * A machine that was on neither side follows the usual rule. Who saw it where and when is observation: it is not
 * worth an operator's look, gossip corrects it within seconds.
 */
import { type Json, canonicalJson } from "../../base/json.ts";
import { type NodeRecord } from "../records.ts";
import { markConflict } from "../reduce-members.ts";
import { type Merging, bare } from "./merging.ts";

export function mergeNodes(merging: Merging): void {
  for (const theirs of merging.other.records.node.values()) {
    const name = merging.nameOf(theirs.name);
    if (name === null) mergeEvicted(merging, theirs);
    else mergeNode(merging, { ...theirs, name });
    if (name !== null && name !== theirs.name) markRenamed(merging, theirs, name);
  }
}

function mergeEvicted(merging: Merging, theirs: NodeRecord): void {
  const held = { value: stateOf(theirs), version: theirs.version };
  const verdict = merging.judge(`node/${theirs.name}`, held, { value: null, version: 0 });
  if (verdict === "known" || verdict === "older") return;
  merging.journal({
    key: `node/${theirs.name}`,
    theirs: held.value,
    theirVersion: theirs.version,
    ours: null,
    ourVersion: 0,
    rule: "eviction-wins",
    resolution: "superseded",
  });
}

function mergeNode(merging: Merging, theirs: NodeRecord): void {
  const { draft } = merging;
  const ours = draft.view.node(theirs.name);
  const verdict = merging.judge(
    `node/${theirs.name}`,
    { value: bare(theirs), version: theirs.version },
    { value: bare(ours), version: ours?.version ?? 0 },
  );
  if (verdict === "same" || verdict === "known" || verdict === "older") return;
  if (ours === null) {
    dropForeignLedger(merging, theirs.name);
    take(merging, theirs);
    return;
  }
  const theirsDecides =
    merging.isTheirs(theirs.id) || (verdict === "take" && !merging.isOurs(theirs.id));
  const differs = canonicalJson(stateOf(theirs)) !== canonicalJson(stateOf(ours));
  const isWorthALook = differs && (!theirsDecides || verdict === "both");
  if (theirsDecides) take(merging, theirs);
  if (!isWorthALook) return;
  merging.journal({
    key: `node/${theirs.name}`,
    theirs: stateOf(theirs),
    theirVersion: theirs.version,
    ours: stateOf(ours),
    ourVersion: draft.view.node(theirs.name)?.version ?? 0,
    rule: "side-of-the-node",
    resolution: theirsDecides ? "applied" : "superseded",
  });
}

/** Which job holds it is settled when all jobs are there (consistency.ts). */
function take(merging: Merging, theirs: NodeRecord): void {
  merging.draft.put("node", theirs.name, theirs);
  merging.counts.applied += 1;
}

/** The machine that had the name before is another one. */
function dropForeignLedger({ draft }: Merging, name: string): void {
  for (const { id } of draft.view.ledger(name)) draft.delete("ledger", `${name}/${id}`);
}

function markRenamed({ draft }: Merging, theirs: NodeRecord, name: string): void {
  const holder = draft.view.node(theirs.name);
  if (holder === null || holder.id === theirs.id || draft.view.node(name) === null) return;
  markConflict(draft, { id: theirs.id, name: theirs.name }, name);
}

/** What an action or an operator brought about, without what is only observed. */
function stateOf({ phase, revision, appliedRoles, conditions }: NodeRecord): Json {
  const found = conditions.map(({ type, status, reason }) => ({ type, status, reason }));
  return { phase, revision, appliedRoles, conditions: found };
}
