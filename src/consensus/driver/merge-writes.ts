/**
 * Group commit: operations that queued up while the disk was busy become one. The result leaves the log exactly
 * as the operations one after another would; entries that a later one cuts off are never written.
 */
import { type AppendOp, type Entry } from "../core/types.ts";

export type MergedOp = Omit<AppendOp, "after">;

/** Beyond this a write is long enough to be worth its own fsync. */
const maxMergedBytes = 4 * 1024 * 1024;

/** How many of the first operations go into one write. A snapshot restarts the log, so it begins a write. */
export function mergeableCount(queue: readonly AppendOp[]): number {
  let bytes = 0;
  let count = 0;
  for (const op of queue) {
    if (count > 0 && (op.snapshot !== null || bytes > maxMergedBytes)) break;
    for (const { data } of op.entries) bytes += data.byteLength;
    count += 1;
  }
  return count;
}

export function mergeWrites(ops: readonly [AppendOp, ...AppendOp[]]): MergedOp {
  const [first, ...rest] = ops;
  if (rest.length === 0) return first;
  let entries: Entry[] = [...first.entries];
  let { seq, truncateFrom, hardState, mustSync } = first;
  for (const op of rest) {
    const cut = op.truncateFrom;
    const begin = entries[0]?.index ?? Infinity;
    if (cut !== null && cut > begin) {
      entries = entries.slice(0, cut - begin);
    } else if (cut !== null) {
      entries = [];
      truncateFrom = Math.min(cut, truncateFrom ?? cut);
    }
    for (const entry of op.entries) entries.push(entry);
    seq = op.seq;
    hardState = op.hardState ?? hardState;
    mustSync ||= op.mustSync;
  }
  return { seq, truncateFrom, entries, hardState, snapshot: first.snapshot, mustSync };
}
