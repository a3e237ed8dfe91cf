/**
 * Whom a forced generation left behind and has not got back. Its own list names who had a place in the log; in a large
 * cluster others only pull, are named nowhere, and can go on by themselves as well as any.
 */
import { type PeerId } from "../base/ids.ts";
import { type Configuration } from "../consensus/core/types.ts";
import { type Generation } from "../consensus/lineage/types.ts";
import { type InventoryView } from "../inventory/view.ts";

/**
 * Admitted members that may be in another history. Who was given up before the fork is none of them: its log ends
 * before it, so whatever it goes on with alone loses.
 */
export function leftBehind(
  { members, lost }: Generation,
  view: Pick<InventoryView, "members">,
  givenUp: Configuration["lost"],
): readonly PeerId[] {
  return view
    .members()
    .filter(({ status }) => status === "admitted")
    .map(({ id }) => id)
    .filter((id) => lost.includes(id) || !(members.includes(id) || givenUp.includes(id)));
}

/**
 * Per member that may be in another history: when the last of these generations began that left it behind, by the wall
 * clock, ms; Infinity when that is not on record yet.
 * @param unsettled provisional generations of this history.
 */
export function leftBehindSince(
  unsettled: readonly Generation[],
  view: Pick<InventoryView, "members" | "generation">,
  givenUp: Configuration["lost"],
): ReadonlyMap<PeerId, number> {
  const since = new Map<PeerId, number>();
  for (const one of unsettled) {
    const begunAt = view.generation(one.id)?.begunAt ?? Infinity;
    for (const id of leftBehind(one, view, givenUp)) {
      since.set(id, Math.max(begunAt, since.get(id) ?? 0));
    }
  }
  return since;
}
