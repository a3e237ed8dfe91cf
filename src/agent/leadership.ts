/** Leadership as the controllers see it: they hear of its beginning and end, not of every change in the Raft group. */
import { type ConsensusStatus, leads } from "../consensus/driver/api.ts";
import { type MeasuredConsensusNode } from "../consensus/driver/driver.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type Leadership } from "../lifecycle/ports.ts";

export function leadershipOf(
  node: Pick<MeasuredConsensusNode<CommandResult>, "isLeading" | "status" | "onChange">,
): Leadership {
  const reign = (status: ConsensusStatus): number | null => (leads(status) ? status.term : null);
  return {
    isLeader: () => node.isLeading,
    onChange: (listener) => {
      let last = reign(node.status());
      return node.onChange((status) => {
        const now = reign(status);
        if (now === last) return;
        last = now;
        listener();
      });
    },
  };
}
