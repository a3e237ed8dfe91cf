/**
 * Leadership as the controllers see it: they hear of its beginning and end, not of every change in the Raft group. In a
 * forced generation it begins when the inventory knows of that: before, nothing says who was left behind.
 */
import { type ConsensusStatus, leads } from "../consensus/driver/api.ts";
import { type MeasuredConsensusNode } from "../consensus/driver/driver.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type Leadership } from "../lifecycle/ports.ts";

export function leadershipOf(
  node: Pick<
    MeasuredConsensusNode<CommandResult>,
    "isLeading" | "status" | "generation" | "onChange"
  >,
  { view, onApplied }: LeadershipState,
): Leadership {
  const isOnRecord = (): boolean => {
    const { id, parent } = node.generation();
    return parent === null || view.generation(id) !== null;
  };
  const reign = (status: ConsensusStatus): number | null =>
    leads(status) && isOnRecord() ? status.term : null;
  return {
    isLeader: () => node.isLeading && isOnRecord(),
    onChange: (listener) => {
      let last = reign(node.status());
      const look = (status: ConsensusStatus): void => {
        const now = reign(status);
        if (now === last) return;
        last = now;
        listener();
      };
      const ends = [
        node.onChange(look),
        // With every applied batch, on every agent: a whole status is built only where something may begin.
        onApplied(() => {
          if (last === null && node.isLeading) look(node.status());
        }),
      ];
      return () => ends.forEach((end) => end());
    },
  };
}

/** The part of the replica that says whether a generation is on record. */
export interface LeadershipState {
  readonly view: Pick<InventoryStateMachine["view"], "generation">;
  readonly onApplied: InventoryStateMachine["onApplied"];
}
