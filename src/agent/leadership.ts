/** Leadership as the controllers see it: they hear of its beginning and end, not of every change in the Raft group. */
import { type ConsensusNode, type ConsensusStatus } from "../consensus/driver/api.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type Leadership } from "../lifecycle/ports.ts";

/** True on a leader that has its quorum. */
export function leads(status: ConsensusStatus): boolean {
  return status.role === "leader" && !status.quorumLost;
}

export function leadershipOf(node: ConsensusNode<CommandResult>): Leadership {
  return {
    isLeader: () => leads(node.status()),
    onChange: (listener) => {
      const reign = (status: ConsensusStatus): number | null =>
        leads(status) ? status.term : null;
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
