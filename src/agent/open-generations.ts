/** Forced generations of a history whose story is not written to its end. */
import { type Generation } from "../consensus/lineage/types.ts";
import { type InventoryView } from "../inventory/view.ts";

/**
 * Oldest first. What is not on record, before one that is, was dropped when there were very many: it is over, and to
 * write it down again would go on for ever.
 */
export function openGenerations(
  path: readonly Generation[],
  view: Pick<InventoryView, "generation">,
): readonly Generation[] {
  const newest = path.findLastIndex(({ id }) => view.generation(id) !== null);
  return path.filter(({ id, parent }, at) => {
    if (parent === null) return false;
    const record = view.generation(id);
    return record === null ? at > newest : record.settledAt === null;
  });
}
