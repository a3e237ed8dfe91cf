/** The leader's view of its followers: whom it streams to, and whether a quorum of them was heard lately. */
import { assert } from "../../base/assert.ts";
import { replicationTargets } from "./configuration.ts";
import { Progress } from "./progress.ts";
import { hasQuorum } from "./quorum.ts";
import { type LeaderRole } from "./roles.ts";
import { effectiveConfig, type CoreState } from "./state.ts";
import { type Configuration, type NodeId } from "./types.ts";

/** Makes the set of streams fit the effective configuration; streams that stay keep what they know. */
export function syncPeers(state: CoreState, leader: LeaderRole): void {
  const wanted = new Set([...replicationTargets(effectiveConfig(state)), state.self]);
  for (const id of leader.peers.keys()) {
    if (!wanted.has(id)) leader.peers.delete(id);
  }
  for (const id of wanted) {
    if (!leader.peers.has(id))
      leader.peers.set(id, new Progress(state.log.last + 1, state.options));
  }
  assert(leader.peers.size === wanted.size, "exactly the wanted are tracked");
  assert(leader.peers.has(state.self), "the leader tracks its own log");
}

export function isActive(state: CoreState, leader: LeaderRole, id: NodeId): boolean {
  if (id === state.self) return true;
  const progress = leader.peers.get(id);
  return progress !== undefined && progress.ticksSinceAck < state.options.electionTicks;
}

export function quorumIsActive(
  state: CoreState,
  leader: LeaderRole,
  configuration: Configuration,
): boolean {
  assert(configuration.sets.length > 0, "a leader's configuration has voters");
  return hasQuorum(configuration.sets, (id) => isActive(state, leader, id));
}
