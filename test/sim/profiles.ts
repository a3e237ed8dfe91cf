/**
 * Runs with a purpose. A profile changes what was drawn from the seed; a course is what happens until everything heals.
 */
import { type Random, shuffle } from "../../src/base/random.ts";
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { hasQuorum } from "../../src/consensus/core/quorum.ts";
import { defaultAutopilotLimits } from "../../src/consensus/driver/autopilot-plan.ts";
import { type SimCluster } from "./cluster.ts";
import { type SimNode } from "./node.ts";
import { mergeProfile, partitionMerge, proving, roomy, surviving } from "./partition-merge.ts";
import { calm, type FaultRates, type Profile } from "./profile.ts";
import { type Stage } from "./scenario.ts";
import { concerns, stream } from "./streams.ts";
import { require } from "./violation.ts";

export const profileNames = [
  "safety",
  "liveness",
  "swarm",
  "sequential-death",
  "two-node",
  "bit-rot",
  "partition-merge",
] as const;
export type ProfileName = (typeof profileNames)[number];

export type Course = (stage: Stage) => void;

export function isProfileName(name: string): name is ProfileName {
  return (profileNames as readonly string[]).includes(name);
}

export function profileNamed(name: ProfileName, drawn: Profile, random: Random): Profile {
  return changes[name](drawn, random);
}

const changes: { readonly [N in ProfileName]: (drawn: Profile, random: Random) => Profile } = {
  safety: (drawn) => drawn,
  liveness: (drawn) => ({
    ...drawn,
    voters: Math.max(3, drawn.voters),
    nodes: Math.max(4, drawn.nodes),
  }),
  swarm: (drawn, random) => ({
    ...drawn,
    faults: few(drawn.faults, random),
    haste: 0,
    killAtIo: 0,
  }),
  "sequential-death": (drawn) => ({
    ...drawn,
    ...{ nodes: 5, voters: 5, chaosMs: 0, faults: calm, haste: 0, killAtIo: 0 },
    core: { ...drawn.core, electionTicks: 10, evictTicks: 30 },
    autopilot: { ...defaultAutopilotLimits, demoteAfterMs: 2500, stableMs: 2000 },
  }),
  "two-node": (drawn, random) => ({
    ...drawn,
    ...{ nodes: 2, voters: 2, ...surviving(random) },
    faults: { ...drawn.faults, damage: 0, change: 0 },
    core: { ...drawn.core, ...roomy, evictTicks: 3 * drawn.core.electionTicks },
    ...proving(random),
  }),
  "partition-merge": mergeProfile,
  "bit-rot": (drawn) => ({
    ...drawn,
    ...{ voters: 3, nodes: 5 },
    faults: { ...drawn.faults, damage: 2500, power: 6000, change: 0 },
    driver: { ...drawn.driver, snapshotEntries: 100, trailingEntries: 80 },
  }),
};

/** At most three kinds of faults, often. */
function few(faults: FaultRates, random: Random): FaultRates {
  const names = shuffle(Object.keys(calm) as (keyof FaultRates)[], random).slice(0, 3);
  const chosen = names.map((name) => [name, faults[name] === 0 ? 3000 : faults[name] / 2] as const);
  const result = { ...calm, ...Object.fromEntries(chosen) };
  return result.change > 0 ? { ...result, damage: 0, wipe: 0 } : result;
}

const chaos: Course = ({ cluster, nemesis }) => {
  nemesis.start();
  cluster.runFor(cluster.profile.chaosMs);
};

/** After the chaos a quorum is well, all others are gone or cut off: it must go on. */
const quorumOnly: Course = (stage) => {
  const { cluster, nemesis, seed } = stage;
  chaos(stage);
  nemesis.stop();
  const core = coreQuorum(cluster, stream(seed, concerns.scenario));
  cluster.trace.add(() => `only ${[...core].map(({ id }) => id).join(" ")} are well`);
  for (;;) {
    keepOnly(cluster, core);
    const { commit } = cluster.invariants;
    if (cluster.runUntil(() => cluster.invariants.commit > commit + 1, 30_000)) return;
    // A change that was under way may have been appended meanwhile, and need more of them.
    const missing = cluster.nodes.find((node) => !core.has(node));
    const enough = hasQuorums(cluster, core) || missing === undefined;
    require(!enough, () => "liveness: a quorum that is well commits nothing");
    core.add(missing);
  }
};

function keepOnly(cluster: SimCluster, core: ReadonlySet<SimNode>): void {
  cluster.network.healAll();
  for (const node of cluster.nodes) {
    if (core.has(node)) {
      const { medium } = node.disk;
      Object.assign(medium, { full: false, syncErrors: 0, hangsUntilMs: 0 });
      node.resume(false);
      node.start();
      continue;
    }
    for (const other of cluster.nodes) {
      cluster.network.cut(node.slot, other.slot, "silent");
      cluster.network.cut(other.slot, node.slot, "silent");
    }
  }
}

function hasQuorums(cluster: SimCluster, core: ReadonlySet<SimNode>): boolean {
  const ids = new Set([...core].filter(({ damaged }) => !damaged).map(({ id }) => id));
  return cluster.nodes.every(({ view }) => hasQuorum(view.sets, (id) => ids.has(id)));
}

/** As few machines as have a quorum of every configuration in use. */
function coreQuorum(cluster: SimCluster, random: Random): Set<SimNode> {
  const core = new Set(cluster.nodes);
  for (const node of shuffle([...cluster.nodes], random)) {
    core.delete(node);
    if (!hasQuorums(cluster, core)) core.add(node);
  }
  return core;
}

/** One after the other dies, as far apart as the promise of docs/availability.md needs: the rest goes on writing. */
const oneByOne: Course = ({ cluster, seed }) => {
  const random = stream(seed, concerns.scenario);
  cluster.runFor(8000);
  const alive = new Set(cluster.nodes);
  while (alive.size > 1) {
    const leader = cluster.leader();
    // The death of one of two is harmless only when it is the follower's.
    const mortal = [...alive].filter((node) => alive.size > 2 || node !== leader);
    const victim = mortal[random.below(mortal.length)] as SimNode;
    alive.delete(victim);
    victim.holdDown();
    const { commit } = cluster.invariants;
    const went = cluster.runUntil(() => cluster.invariants.commit > commit + 1, 8000);
    require(went, () => `liveness: after ${victim.id} died, ${alive.size} commit nothing`);
    cluster.runFor(8000 + random.float() * 6000);
  }
};

export const courses: { readonly [N in ProfileName]: Course } = {
  safety: chaos,
  liveness: quorumOnly,
  swarm: chaos,
  "sequential-death": oneByOne,
  "two-node": chaos,
  "bit-rot": chaos,
  "partition-merge": partitionMerge,
};

const quick = { ...defaultCoreOptions, electionTicks: 4, heartbeatTicks: 2, evictTicks: 0 };
const plainDisk = { syncMs: 2, spikeMs: 1, spikeChance: 0 };
const plainNet = {
  ...{ latencyMs: 10, spikeMs: 200, spikeChance: 0 },
  ...{ lossChance: 0.05, duplicateChance: 0, fifo: false },
};
const aimed = {
  ...{ haste: 0, killAtIo: 0, downMs: 800, partitionMs: 600, pauseMs: 1200, restartMs: 100 },
  ...{ clockDrift: 0, encoded: false },
};

/** For changes to the drawn profile that aim at one part of the protocol. */
export type Aim = (drawn: Profile) => Profile;

/** Leaders die young and logs travel entry by entry: the schedule of figure 8 of the Raft paper. */
export const leadersDieYoung: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 5, voters: 5, chaosMs: 8000 },
  net: { ...plainNet, spikeChance: 0.1 },
  disk: plainDisk,
  faults: { ...calm, kill: 360, power: 360 },
  workload: { clients: 4, thinkMs: 40, keys: 2, alone: 0 },
  core: { ...quick, heartbeatTicks: 1, maxAppendBytes: 1, maxInflightMessages: 1 },
});

/** The configuration changes all the time, and the network breaks right after changes and elections. */
export function reconfiguration(voters: number, nodes: number): Aim {
  return (drawn) => ({
    ...{ ...drawn, ...aimed, nodes, voters, chaosMs: 6000, haste: 1 },
    net: { ...plainNet, lossChance: 0.1 },
    disk: plainDisk,
    faults: { ...calm, change: 40, partition: 1e9 },
    core: quick,
  });
}

/** Processes stop and go on, and are asked at once what they know. */
export const sleepyLeaders: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 3, voters: 3, chaosMs: 8000 },
  net: plainNet,
  disk: plainDisk,
  faults: { ...calm, pause: 500 },
  workload: { clients: 8, thinkMs: 30, keys: 1, alone: 0 },
  core: quick,
});

/** Logs diverge behind partitions, disks are slow, and followers fall behind the compacted log. */
export const slowDisks: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 5, voters: 5, chaosMs: 8000, partitionMs: 500, haste: 0.5 },
  net: { ...plainNet, duplicateChance: 0.1 },
  disk: { syncMs: 20, spikeMs: 800, spikeChance: 0.1 },
  faults: { ...calm, kill: 1800, power: 1800, partition: 400 },
  workload: { clients: 4, thinkMs: 40, keys: 2, alone: 0 },
  driver: { ...drawn.driver, snapshotEntries: 20, trailingEntries: 5 },
  core: { ...quick, maxAppendBytes: 400, maxInflightMessages: 4 },
});

/** Leaders die young while disks are slow: entries are replaced while they are being written. */
export const leadersDieMidWrite: Aim = (drawn) => ({
  ...leadersDieYoung(drawn),
  disk: slowDisks(drawn).disk,
  faults: { ...calm, kill: 500, power: 500 },
});

/** The power fails all the time, and disks are slow to sync. */
export const powerCuts: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 3, voters: 3, chaosMs: 12_000 },
  net: plainNet,
  disk: { syncMs: 15, spikeMs: 100, spikeChance: 0.1 },
  faults: { ...calm, power: 500, stop: 5000 },
  workload: { clients: 4, thinkMs: 40, keys: 2, alone: 0 },
  driver: { ...drawn.driver, snapshotEntries: 20, trailingEntries: 3, transferOnStopMs: 500 },
  core: quick,
});

/** What disks hold is damaged, and processes start again on it. */
export const damagedDisks: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 5, voters: 3, chaosMs: 15_000 },
  net: plainNet,
  disk: plainDisk,
  faults: { ...calm, damage: 400, kill: 4000 },
  workload: { clients: 4, thinkMs: 60, keys: 2, alone: 0 },
  driver: { ...drawn.driver, snapshotEntries: 60, trailingEntries: 50 },
  core: quick,
  autopilot: { ...drawn.autopilot, demoteAfterMs: 1000, stableMs: 300 },
});

/** Requests reach the leader, and their answers are lost. */
export const lostAnswers: Aim = (drawn) => ({
  ...{ ...drawn, ...aimed, nodes: 3, voters: 3, chaosMs: 15_000 },
  net: { ...plainNet, lossChance: 0.3 },
  disk: plainDisk,
  faults: { ...calm, kill: 1500, transfer: 700, partition: 1500, pause: 2000 },
  workload: { clients: 6, thinkMs: 50, keys: 1, alone: 0 },
  core: quick,
});
