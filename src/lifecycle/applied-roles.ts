/**
 * What is on a node: its roles as the ledger recorded them, each from the revision it was last
 * applied from.
 */
import { type NodeRecord, type RoleSpec } from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { AppliedHistory } from "./run-history.ts";

/**
 * Revision whose clean-up takes a role away: the one it was last applied from, however that ended.
 */
export function sourceRevision(
  history: AppliedHistory,
  node: NodeRecord,
  role: string,
): string | null {
  return history.last(role)?.revision ?? node.revision;
}

/** The role as the revision on the node defines it; null when nothing is known of it. */
export function recordedSpec(view: InventoryView, node: NodeRecord, role: string): RoleSpec | null {
  return specIn(view, sourceRevision(new AppliedHistory(view, node.name), node, role), role);
}

/** Roles on the node, dependencies first. */
export function appliedInOrder(
  view: InventoryView,
  node: NodeRecord,
  roles: readonly string[] = node.appliedRoles,
): readonly string[] {
  const history = new AppliedHistory(view, node.name);
  const order: string[] = [];
  const visited = new Set<string>();
  const visit = (role: string): void => {
    if (visited.has(role)) return;
    visited.add(role);
    const spec = specIn(view, sourceRevision(history, node, role), role);
    for (const needed of spec?.requires ?? []) visit(needed);
    if (roles.includes(role)) order.push(role);
  };
  for (const role of [...roles].sort()) visit(role);
  return order;
}

function specIn(view: InventoryView, revision: string | null, role: string): RoleSpec | null {
  const roles = revision === null ? undefined : view.revision(revision)?.manifest.roles;
  return roles !== undefined && Object.hasOwn(roles, role) ? (roles[role] ?? null) : null;
}
