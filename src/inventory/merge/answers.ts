/**
 * Exactly once, across the merge (A): an agent or a client that was answered by the other side, or was not and asks
 * again here, gets the answer of there instead of a second effect.
 */
import { type CommandResult } from "../commands.ts";
import { limits } from "../limits.ts";
import { type SessionRecord } from "../record-types.ts";
import { type Merging } from "./merging.ts";

export function mergeAnswers(merging: Merging): void {
  const { draft, other, counts } = merging;
  for (const [key, theirs] of other.records.idem) {
    if (draft.view.remembered(key) !== null) continue;
    draft.put("idem", key, { ...theirs, result: here(theirs.result, draft.index) });
    counts.added += 1;
  }
  for (
    let oldest = draft.view.oldestIdempotency();
    oldest !== null && draft.view.count("idem") > limits.idempotencyKeys;
    oldest = draft.view.oldestIdempotency()
  ) {
    draft.delete("idem", oldest.key);
  }
  for (const [agent, theirs] of other.records.session) mergeSession(merging, agent, theirs);
}

/** The later start of the agent counts; of the same start, both windows together. */
function mergeSession({ draft, counts }: Merging, agent: string, theirs: SessionRecord): void {
  const ours = draft.view.get("session", agent);
  if (ours !== null && ours.boot > theirs.boot) return;
  const mine = ours?.boot === theirs.boot ? ours : null;
  const floor = Math.max(mine?.floor ?? -1, theirs.floor);
  const results = new Map<number, CommandResult>();
  for (const { seq, result } of theirs.results) results.set(seq, here(result, draft.index));
  for (const { seq, result } of mine?.results ?? []) results.set(seq, result);
  const open = [...results].filter(([seq]) => seq > floor).sort(([a], [b]) => a - b);
  if (mine !== null && mine.floor === floor && mine.results.length === open.length) return;
  const kept = open.slice(-limits.sessionResults);
  draft.put("session", agent, {
    boot: theirs.boot,
    floor,
    results: kept.map(([seq, result]) => ({ seq, result })),
  });
  counts.added += 1;
}

/** Index of the other history would mean something else here. */
function here(result: CommandResult, index: number): CommandResult {
  return { ...result, index };
}
