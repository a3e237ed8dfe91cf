/** What an action sees of the cluster ($MUSTER_INVENTORY): all nodes and all roles, not only its targets. */
import { type JsonObject } from "../base/json.ts";
import { type InventoryView } from "./view.ts";
import { type NodeRecord } from "./records.ts";
import { roleMembers } from "./roles.ts";

/**
 * `nodes.NAME.roles` are the roles assigned; `roles.ROLE` are the nodes that carry it, because it is assigned
 * or because an assigned role requires it. Vars are left out: they may be secret.
 * @param revision commit whose roles count; null for those assigned only.
 */
export function inventoryDocument(view: InventoryView, revision: string | null): JsonObject {
  const manifest = revision === null ? null : (view.revision(revision)?.manifest ?? null);
  return {
    nodes: Object.fromEntries(view.nodes().map((node) => [node.name, nodeEntry(view, node)])),
    roles: Object.fromEntries(roleMembers(view, manifest)),
  };
}

function nodeEntry(view: InventoryView, node: NodeRecord): JsonObject {
  const { address, facts, phase, reachability } = node;
  return {
    address,
    roles: view.spec(node.name).roles,
    labels: view.labels(node.name).labels,
    facts: facts === null ? null : { ...facts },
    phase,
    reachability,
  };
}
