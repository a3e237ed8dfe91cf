/** Conditions as people read them. What is stored says what is the case; what to do about it is said here. */
import { type Condition } from "../../inventory/conditions.ts";
import { type NodeRecord } from "../../inventory/records.ts";
import { contestedName } from "../../inventory/reduce-members.ts";

export function conditionsOf(node: NodeRecord): readonly Condition[] {
  return node.conditions.map((condition) =>
    condition.type === "NameConflict" ? withWayOut(node, condition) : condition,
  );
}

/** A node keeps its name for life: one of the two machines has to come again as another node. */
function withWayOut(node: NodeRecord, condition: Condition): Condition {
  const name = contestedName(node);
  if (name === null) return condition;
  const cameLater = /which is "([^"]+)" now/.exec(condition.message)?.[1] ?? node.name;
  const [fact = ""] = condition.message.split("; ");
  const wayOut = [
    `A node keeps its name: the machine that is to have another one, say "${cameLater}", has to join again`,
    `1. muster decommission ${cameLater} (if it is configured), muster nodes forget ${cameLater} (--force if it never was): its agent ends`,
    `2. on that machine, empty the data directory and start the agent with another --name and a new join token`,
  ];
  return { ...condition, message: `${fact}. ${wayOut.join("; ")}` };
}
