/** With whom this agent must stay connected for consensus. */
import { replicationTargets } from "../core/configuration.ts";
import { type Configuration, type NodeId } from "../core/types.ts";

export function peersToKeep(
  self: NodeId,
  configurations: readonly Configuration[],
  leader: NodeId | null,
): readonly NodeId[] {
  const peers = new Set(configurations.flatMap(replicationTargets));
  for (const { observers } of configurations) for (const id of observers) peers.add(id);
  if (leader !== null) peers.add(leader);
  peers.delete(self);
  return [...peers].sort();
}
