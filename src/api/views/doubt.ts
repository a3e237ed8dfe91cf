/** Whether the leader holds losses back because it doubts its own view (lifecycle/leader-doubt.ts). */
import { conditionOf } from "../../inventory/node-changes.ts";
import { type Condition } from "../../inventory/conditions.ts";
import { type InventoryView } from "../../inventory/view.ts";

/** The condition and the node that has it; null while the membership is not in doubt. */
export function membershipDoubt(
  view: InventoryView,
): { readonly node: string; readonly condition: Condition } | null {
  for (const node of view.nodes()) {
    const condition = conditionOf(node, "MembershipUncertain");
    if (condition !== null) return { node: node.name, condition };
  }
  return null;
}
