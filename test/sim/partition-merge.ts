/**
 * One history becomes several, and one again. The machines fall apart into groups, or most of them die together, for
 * longer than survivors wait; every group that can goes on by itself and takes writes. Then they meet again, while
 * writes go on, and processes die in the middle of promises, forced entries, exports and merges.
 */
import { type Random, shuffle } from "../../src/base/random.ts";
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { type SimCluster } from "./cluster.ts";
import { type Cut } from "./net.ts";
import { type SimNode } from "./node.ts";
import { calm, type Profile } from "./profile.ts";
import { type Stage } from "./scenario.ts";
import { concerns, stream } from "./streams.ts";

/** A page of a merge fits into an entry. */
export const roomy = {
  maxEntryBytes: defaultCoreOptions.maxEntryBytes,
  maxUncommittedBytes: defaultCoreOptions.maxUncommittedBytes,
};

/** Survivor mode in seconds instead of minutes. */
export function surviving(random: Random): Pick<Profile, "survivor"> {
  const silenceMs = Math.round(2000 + random.float() * 4000);
  return { survivor: { silenceMs, coldMs: silenceMs + Math.round(random.float() * 8000) } };
}

/** Members may be proven to be gone. */
export function proving(random: Random): Pick<Profile, "exits" | "fence"> {
  return { exits: random.below(2) === 0, fence: random.below(4) === 0 };
}

export function mergeProfile(drawn: Profile, random: Random): Profile {
  const nodes = 2 + random.below(4);
  const maybe = (meanMs: number): number => (random.below(2) === 0 ? 0 : meanMs);
  const machines = {
    ...{ nodes, voters: nodes, haste: 0, ...surviving(random) },
    faults: { ...calm, kill: maybe(9000), power: maybe(9000), pause: maybe(9000) },
    killAtIo: random.below(3) === 0 ? 0.001 : 0,
    killAtChange: random.below(3) * 0.1,
  };
  const disks = {
    ...{ hang: maybe(15_000), syncError: maybe(10_000), full: maybe(15_000) },
    damage: maybe(6000),
  };
  const faults = { ...machines.faults, ...(random.below(2) === 0 ? {} : disks) };
  const jobs = random.below(3) === 0;
  return {
    ...drawn,
    ...{ ...machines, faults, jobs, ...proving(random) },
    workload: { ...drawn.workload, alone: 0.4 },
    core: { ...drawn.core, ...roomy, evictTicks: 3 * drawn.core.electionTicks },
  };
}

/** Without what disks do, without jobs and proofs: as the profile was at first. */
export function plainMerge(drawn: Profile): Profile {
  const faults = { ...drawn.faults, hang: 0, syncError: 0, full: 0, damage: 0 };
  return { ...unproven(drawn), jobs: false, faults };
}

export function unproven(drawn: Profile): Profile {
  return { ...drawn, exits: false, fence: false };
}

/** Processes die all the time, and those that are left have it attested. */
export function exitsAttested(drawn: Profile): Profile {
  return {
    ...drawn,
    ...{
      nodes: 3,
      voters: 3,
      exits: true,
      fence: false,
      jobs: false,
      killAtIo: 0,
      killAtChange: 0,
    },
    faults: { ...calm, kill: 1200 },
    downMs: 2500,
    workload: { clients: 4, thinkMs: 60, keys: 2, alone: 0.3 },
  };
}

/** Nodes at work while histories part. */
export function nodesAtWork(drawn: Profile): Profile {
  return { ...quietSplit(drawn), jobs: true };
}

/** Changes to `mergeProfile` that aim at one part: a plain split, and deaths in the middle of what follows. */
export function oneSplit(drawn: Profile): Profile {
  return {
    ...unproven(drawn),
    net: { ...drawn.net, lossChance: 0.05, fifo: false },
    faults: { ...calm, power: 6000, kill: 6000 },
    killAtChange: 0.2,
    workload: { clients: 4, thinkMs: 60, keys: 2, alone: 0.3 },
  };
}

/** Few write, and nothing else goes wrong: what falls apart ends at the same entry everywhere. */
export function quietSplit(drawn: Profile): Profile {
  return {
    ...unproven(drawn),
    ...{ nodes: 3, voters: 3, faults: calm, killAtIo: 0, killAtChange: 0 },
    net: { ...drawn.net, lossChance: 0 },
    workload: { clients: 2, thinkMs: 2000, keys: 2, alone: 0.3 },
  };
}

/** Of two machines one loses its disk while the other has just taken what it has not heard to be committed. */
export function oneHostWiped(drawn: Profile): Profile {
  return {
    ...unproven(drawn),
    chaosMs: 40_000,
    faults: { ...calm, wipe: 6000 },
    core: { ...drawn.core, heartbeatTicks: 3 },
    workload: { clients: 6, thinkMs: 150, keys: 1, alone: 0.7 },
  };
}

/** How so many machines fall apart. */
const shapes: { readonly [nodes: number]: readonly (readonly number[])[] } = {
  2: [[1, 1]],
  3: [
    [2, 1],
    [1, 1, 1],
  ],
  4: [
    [2, 2],
    [3, 1],
    [2, 1, 1],
  ],
  5: [
    [3, 2],
    [2, 2, 1],
    [4, 1],
    [3, 1, 1],
  ],
};
const cuts: readonly Cut[] = ["silent", "silent", "refused", "stalled"];

export function partitionMerge({ cluster, nemesis, seed }: Stage): void {
  const random = stream(seed, concerns.scenario);
  cluster.runFor(5000 + random.float() * 3000);
  nemesis.start();
  const rounds = 1 + random.below(2);
  for (let round = 0; round < rounds && !nemesis.isOver; round += 1) {
    const groups = fallApart(cluster, random);
    const { silenceMs = 0 } = cluster.profile.survivor ?? {};
    const restore =
      random.below(3) === 0 ? hostsDie(groups, random) : split(cluster, groups, random);
    cluster.runFor(silenceMs + 6000 + random.float() * 8000);
    cluster.trace.add(() => "they meet again");
    restore();
    // At times they fall apart again before they have become one.
    cluster.runFor(1000 + random.float() * 12_000);
  }
  cluster.runFor(Math.max(0, cluster.profile.chaosMs - cluster.clock.nowMs));
}

function fallApart({ nodes }: SimCluster, random: Random): readonly (readonly SimNode[])[] {
  const all = shapes[nodes.length] ?? [[1, nodes.length - 1]];
  const shape = all[random.below(all.length)] ?? [];
  const order = shuffle([...nodes], random);
  return shape.map((size) => order.splice(0, size));
}

/** Gives what ends it. */
function split(
  { network, trace }: SimCluster,
  groups: readonly (readonly SimNode[])[],
  random: Random,
): () => void {
  const how = cuts[random.below(cuts.length)] ?? "silent";
  const names = groups.map((group) => group.map(({ id }) => id).join(" ")).join(" | ");
  trace.add(() => `falls apart (${how}): ${names}`);
  for (const one of groups) {
    for (const other of groups) {
      if (one === other) continue;
      for (const { slot } of one) for (const to of other) network.cut(slot, to.slot, how);
    }
  }
  return () => network.healAll();
}

/** All but the first group lose power at once, and stay away. */
function hostsDie(groups: readonly (readonly SimNode[])[], random: Random): () => void {
  const [, ...others] = shuffle([...groups], random);
  const dead = others.flat();
  for (const node of dead) node.holdDown();
  return () => {
    for (const node of dead) node.start();
  };
}
