/** Who may have the transcript of a run: the node that ran it, then those that took a copy. */
import { type PeerId } from "../base/ids.ts";
import { type InventoryView } from "../inventory/view.ts";

/** @param run `JOB/NODE/ROLE/ACTION/ATTEMPT`. */
export function transcriptHolders(
  view: InventoryView,
  run: string,
  self: PeerId,
): readonly PeerId[] {
  const name = run.split("/")[1] ?? "";
  const holders: PeerId[] = [];
  const node = view.node(name);
  if (node !== null && node.reachability === "reachable") holders.push(node.id);
  holders.push(...(view.ledgerEntry(name, run)?.transcripts ?? []));
  if (node !== null && node.reachability !== "reachable") holders.push(node.id);
  return [...new Set(holders)].filter((peer) => peer !== self);
}
