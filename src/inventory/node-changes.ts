/** Changes of a node that several commands make: each writes the record, its history and its event. */
import { type Condition } from "./conditions.ts";
import { type HistoryRecord, type NodeRecord, type Phase } from "./records.ts";
import { type Draft } from "./draft.ts";
import { indexText } from "./record-types.ts";
import { limits } from "./limits.ts";

type Change = Pick<HistoryRecord, "kind" | "from" | "to" | "reason" | "job">;

/** Adds one line to a node's history and drops what is older than the newest `limits.historyPerNode`. */
export function addHistory(draft: Draft, node: string, change: Change): void {
  const { index, at, by } = draft;
  let id = `${node}/${indexText(index)}`;
  for (let n = 1; draft.view.get("history", id) !== null; n += 1) {
    id = `${node}/${indexText(index)}.${n}`;
  }
  draft.put("history", id, { at, index, by, ...change });
  draft.view
    .oldestHistory(node, limits.historyPerNode)
    .forEach((old) => draft.delete("history", old));
}

/** Writes a node's record from the one there is, if there is anything to write. */
export function updateNode(draft: Draft, name: string, fields: Partial<NodeRecord>): void {
  const node = draft.view.node(name);
  if (node === null || Object.keys(fields).length === 0) return;
  draft.put("node", name, { ...node, ...fields });
}

/** Moves a node to another phase. The caller has checked that the move is legal. */
export function movePhase(
  draft: Draft,
  name: string,
  move: { readonly to: Phase; readonly reason: string; readonly job: string | null },
): void {
  const node = draft.view.node(name);
  if (node === null || node.phase === move.to) return;
  updateNode(draft, name, { phase: move.to });
  addHistory(draft, name, { kind: "phase", from: node.phase, ...move });
  draft.emit("node.phase", `node/${name}`, `Node "${name}" is ${move.to}: ${move.reason}`, {
    from: node.phase,
    to: move.to,
    job: move.job,
  });
}

export function conditionOf(node: NodeRecord, type: Condition["type"]): Condition | null {
  return node.conditions.find((condition) => condition.type === type) ?? null;
}

/** Sets a condition; `since` stays while the status does. Status `False` takes it away. */
export function setCondition(
  draft: Draft,
  name: string,
  condition: Omit<Condition, "since">,
): void {
  const node = draft.view.node(name);
  if (node === null) return;
  const before = conditionOf(node, condition.type);
  if (before === null && condition.status === "False") return;
  if (before !== null && sameCondition(before, condition)) return;
  const since = before?.status === condition.status ? before.since : draft.at;
  const others = node.conditions.filter(({ type }) => type !== condition.type);
  const kept = condition.status === "False" ? others : [...others, { ...condition, since }];
  const conditions = kept.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  updateNode(draft, name, { conditions });
  const { type, status, reason, message } = condition;
  draft.emit("node.condition", `node/${name}`, `Node "${name}": ${type} is ${status} (${reason})`, {
    type,
    status,
    reason,
    message,
  });
}

function sameCondition(a: Omit<Condition, "since">, b: Omit<Condition, "since">): boolean {
  return a.status === b.status && a.reason === b.reason && a.message === b.message;
}
