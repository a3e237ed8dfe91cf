/**
 * Consensus, boiled down to what lineage needs of it: at most one leader per term, logs that follow the leader, commit
 * by a quorum of the configuration that is in the log, demotion of dead voters and eviction of the second of two. One
 * exchange between two agents is atomic; that it is safe otherwise is tested on the real one.
 */
import { roleOf } from "../../../src/consensus/core/configuration.ts";
import { hasQuorum } from "../../../src/consensus/core/quorum.ts";
import { type Configuration, type NodeId } from "../../../src/consensus/core/types.ts";
import { voterCount } from "../../../src/consensus/lineage/force.ts";
import { type SimAgent } from "./agent.ts";
import { isVoter } from "./disk.ts";
import { type World } from "./world.ts";

const leaderTimeoutMs = 1500;

export function raftStep(agent: SimAgent, world: World): void {
  if (!agent.runs) return;
  if (agent.leader === agent.id) lead(agent, world);
  else if (agent.leaderInSight === null) campaign(agent, world);
}

function mates(agent: SimAgent, world: World): readonly SimAgent[] {
  return world.ids.flatMap((id) => {
    const peer = id === agent.id ? null : world.running(id);
    const same = peer?.runs === true && peer.disk.generation.id === agent.disk.generation.id;
    return peer !== null && same && world.network.linked(agent.id, id) ? [peer] : [];
  });
}

function campaign(agent: SimAgent, world: World): void {
  agent.leader = null;
  const { disk } = agent;
  const { configuration } = disk;
  if (
    !isVoter(configuration, agent.id) ||
    !disk.hasBegun ||
    !disk.mayVote ||
    world.random.float() < 0.7
  )
    return;
  const voters = mates(agent, world).filter(
    ({ disk: other, leaderInSight }) =>
      leaderInSight === null &&
      other.mayVote &&
      (disk.lastTerm - other.lastTerm || disk.lastIndex - other.lastIndex) >= 0,
  );
  const granted = new Set([agent.id, ...voters.map(({ id }) => id)]);
  if (!hasQuorum(configuration.sets, (id) => granted.has(id))) return;
  const term = Math.max(disk.term, ...voters.map((voter) => voter.disk.term)) + 1;
  for (const voter of [agent, ...voters]) voter.disk.term = term;
  world.elected(agent, term);
  agent.leader = agent.id;
  agent.quorumAt = world.now;
  agent.syncedAt.clear();
  for (const id of members(configuration)) agent.syncedAt.set(id, world.now);
  disk.append({ term, kind: "noop", ops: [], config: null, begins: null });
}

function lead(agent: SimAgent, world: World): void {
  const { disk } = agent;
  const others = mates(agent, world);
  const higher = others.find((peer) => peer.disk.term > disk.term);
  if (higher !== undefined) {
    disk.term = higher.disk.term;
    agent.leader = null;
    return;
  }
  const { configuration } = disk;
  const synced = new Set([agent.id]);
  for (const peer of others) {
    if (roleOf(configuration, peer.id) === null || roleOf(configuration, peer.id) === "lost")
      continue;
    if (world.random.float() < 0.1 + world.network.loss) continue;
    follow(peer, agent, world);
    synced.add(peer.id);
    agent.syncedAt.set(peer.id, world.now);
  }
  if (hasQuorum(configuration.sets, (id) => synced.has(id))) {
    agent.quorumAt = world.now;
    if (disk.lastTerm === disk.term) world.committed(agent);
  } else if (!evicted(agent, world) && world.now - agent.quorumAt > leaderTimeoutMs) {
    if (configuration.sets.flat().length !== 2 || world.now - agent.quorumAt > 4000) {
      agent.leader = null;
    }
    return;
  }
  if (disk.commit === disk.lastIndex) autopilot(agent, others, world);
}

function follow(peer: SimAgent, leader: SimAgent, world: World): void {
  const { disk } = leader;
  world.truncated(peer, disk.items);
  peer.disk.items = [...disk.items];
  peer.disk.term = disk.term;
  peer.disk.commit = Math.max(peer.disk.commit, disk.commit);
  peer.leader = leader.id;
  peer.leaderHeardAt = world.now;
  peer.leaderLast = disk.lastIndex;
}

/** Two voters, the other silent for 3 s: the leader goes on alone. */
function evicted(agent: SimAgent, world: World): boolean {
  const { disk } = agent;
  const { configuration } = disk;
  const voters = configuration.sets.flat();
  const settled =
    disk.commit >= disk.committedConfigIndex && disk.items[disk.commit - 1]?.term === disk.term;
  if (voters.length !== 2 || !settled || world.now - agent.quorumAt < 3000) return false;
  const other = voters.find((id) => id !== agent.id) ?? "";
  change(agent, { ...without(configuration, other), lost: [...configuration.lost, other] });
  return true;
}

function autopilot(agent: SimAgent, others: readonly SimAgent[], world: World): void {
  const { configuration } = agent.disk;
  const voters = configuration.sets.flat();
  const silent = (id: NodeId): number =>
    id === agent.id ? 0 : world.now - (agent.syncedAt.get(id) ?? -Infinity);
  const dead = voters.find((id) => silent(id) > 5000);
  if (dead !== undefined && voters.length > 2) {
    const rest = voters.filter((id) => id !== dead);
    if (rest.filter((id) => silent(id) < 1000).length * 2 > rest.length) {
      change(agent, { ...without(configuration, dead), lost: [...configuration.lost, dead] });
    }
    return;
  }
  const newcomer = others.find(({ id }) => {
    const role = roleOf(configuration, id);
    return role === null || role === "lost";
  });
  if (newcomer !== undefined) {
    const rest = without(configuration, newcomer.id);
    return change(agent, { ...rest, standbys: [...rest.standbys, newcomer.id] });
  }
  const ready = configuration.standbys.filter((id) => silent(id) < 500);
  const live = voters.filter((id) => silent(id) < 1000).length;
  const best = ready[0];
  if (best === undefined || voters.length >= voterCount(live + ready.length)) return;
  const rest = without(configuration, best);
  change(agent, { ...rest, sets: [[...voters, best].sort()] });
}

export function without(configuration: Configuration, id: NodeId): Configuration {
  const not = (one: NodeId): boolean => one !== id;
  const { sets, standbys, observers, lost } = configuration;
  return {
    ...configuration,
    sets: sets.map((set) => set.filter(not)),
    standbys: standbys.filter(not),
    observers: observers.filter(not),
    lost: lost.filter(not),
  };
}

export function change(agent: SimAgent, configuration: Configuration): void {
  const { disk } = agent;
  const config = { ...configuration, index: disk.lastIndex + 1 };
  disk.append({ term: disk.term, kind: "config", ops: [], config, begins: null });
}

function members({ sets, standbys, observers }: Configuration): readonly NodeId[] {
  return [...sets.flat(), ...standbys, ...observers];
}
