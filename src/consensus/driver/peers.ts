/**
 * With whom this agent must stay connected for consensus: whoever is streamed to, with all others of those; whoever is
 * not, with nobody, so that the leader's connections do not grow with the cluster. A leader that streams although the
 * configuration here does not say so yet is kept.
 */
import { replicationTargets } from "../core/configuration.ts";
import { type Configuration, type NodeId } from "../core/types.ts";

export function peersToKeep(
  self: NodeId,
  configurations: readonly Configuration[],
  leader: NodeId | null,
): readonly NodeId[] {
  const targets = new Set(configurations.flatMap(replicationTargets));
  const peers = targets.has(self) ? targets : new Set<NodeId>();
  if (leader !== null) peers.add(leader);
  peers.delete(self);
  return [...peers].sort();
}
