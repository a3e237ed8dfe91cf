/** One version for a node as callers see it: its three records are one resource. */
import { type InventoryView } from "./view.ts";

/** Raft index of the last write to the node's record, its spec or its labels; 0 when it is unknown. */
export function nodeVersion(view: InventoryView, name: string): number {
  const node = view.node(name);
  if (node === null) return 0;
  return Math.max(node.version, view.spec(name).version, view.labels(name).version);
}
