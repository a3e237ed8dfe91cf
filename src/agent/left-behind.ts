/**
 * Whom a forced generation left behind and has not got back. Its own list names who had a place in the log; in a large
 * cluster others only pull, are named nowhere, and can go on by themselves as well as any.
 */
import { type PeerId } from "../base/ids.ts";
import { type Configuration, type Index } from "../consensus/core/types.ts";
import { type Generation } from "../consensus/lineage/types.ts";
import { type HistoryRecord } from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";

/**
 * Admitted members that may be in another history. Who was given up before the fork is none of them: its log ends
 * before it, so whatever it goes on with alone loses. Nor is who joined behind it.
 */
export function leftBehind(
  { members, lost, forkIndex }: Generation,
  view: Pick<InventoryView, "members" | "history" | "merges">,
  givenUp: Configuration["lost"],
): readonly PeerId[] {
  const merged = new Set(view.merges().flatMap(({ mergedAt }) => mergedAt));
  const joined = (node: string): boolean =>
    view
      .history(node)
      .some((one) => isAdmission(one) && one.version > forkIndex && !merged.has(one.version));
  return view
    .members()
    .filter(({ status }) => status === "admitted")
    .filter(({ id }) => lost.includes(id) || !(members.includes(id) || givenUp.includes(id)))
    .filter(({ id, node }) => lost.includes(id) || !joined(node))
    .map(({ id }) => id);
}

/**
 * Written here, and not brought by a merge: what came with one keeps the index that it had there. That can be the index
 * of the merge here, too: so `mergedAt` is asked as well, which forgets in time.
 */
function isAdmission({ kind, index, version }: HistoryRecord): boolean {
  return kind === "discovered" && index === version;
}

/**
 * Per member that may be in another history: the last entry of this one that it may share. What is behind that was
 * written without it. No clock is asked: those of two leaders can be hours apart.
 * @param path of this history; a later fork can lie before an earlier one
 * @param unsettled provisional generations of it, oldest first
 */
export function leftBehindAt(
  path: readonly Generation[],
  unsettled: readonly Generation[],
  {
    view,
    givenUp,
  }: {
    readonly view: Pick<InventoryView, "members" | "history" | "merges">;
    readonly givenUp: Configuration["lost"];
  },
): ReadonlyMap<PeerId, Index> {
  const last = new Map<PeerId, Index>();
  for (const one of unsettled) {
    const at = path.findIndex(({ id }) => id === one.id);
    const kept = path.slice(at).map(({ forkIndex }) => forkIndex);
    for (const id of leftBehind(one, view, givenUp)) last.set(id, Math.min(...kept));
  }
  return last;
}
