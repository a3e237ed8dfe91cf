/**
 * What an index means: the same one may name different entries in two histories, but never in one generation. So an
 * index that leaves the log (as a version, as a place in the stream of events) is told together with the generation
 * that answers for its entry, and is worth nothing in a history where another one does.
 */
import { must } from "../../base/assert.ts";
import { type Index } from "../core/types.ts";
import { type Generation } from "./types.ts";

/**
 * The generation that committed the entry at `index` of this history, as far as can be told: what a generation kept of
 * its parent beyond the parent's known commit index counts as its own, because the parent may have gone on elsewhere
 * with something else there. A later fork can lie before an earlier one.
 *
 * Two histories that name the same generation for an index hold the same entry there, if it is committed in both: a
 * generation never commits two at one index. Where generations between were dropped from a long path, nobody knows
 * which one it was; then it is told by the next one that is known (`~ID`), whose past is the same wherever it is known.
 */
export function writtenIn(path: readonly Generation[], index: Index): string {
  const at = Math.max(
    0,
    path.findLastIndex(({ legitCommit }) => legitCommit < index),
  );
  const { id } = must(path[at], "a path is not empty");
  const next = path[at + 1];
  return next === undefined || next.parent === id ? id : `~${next.id}`;
}

/**
 * Up to where a path surely holds what `generation` committed, and what was before it; null when the path does not
 * lead through it.
 */
export function sharedWith(path: readonly Generation[], generation: string): Index | null {
  const at = path.findIndex(({ id }) => id === generation);
  if (at < 0) return null;
  return Math.min(...path.slice(at + 1).map(({ legitCommit }) => legitCommit), Infinity);
}
