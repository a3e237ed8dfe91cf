/** What may go wrong in a run, drawn from its seed: every run enables another mixture of faults. */
import { type Random } from "../../src/base/random.ts";
import { type CoreOptions } from "../../src/consensus/core/types.ts";
import {
  type AutopilotLimits,
  defaultAutopilotLimits,
} from "../../src/consensus/driver/autopilot-plan.ts";
import { type DriverOptions } from "../../src/consensus/driver/options.ts";
import { type DiskProfile } from "./disk-medium.ts";
import { type NetProfile } from "./net.ts";

/** Mean times between faults, in virtual milliseconds; 0 turns one off. */
export interface FaultRates {
  /** kill -9, and power cuts. */
  readonly kill: number;
  readonly power: number;
  /** SIGTERM. */
  readonly stop: number;
  readonly pause: number;
  /** A process does nothing for a moment (garbage collection, swap). */
  readonly stall: number;
  readonly wallJump: number;
  readonly partition: number;
  readonly flap: number;
  /** The disk answers nothing for a while. */
  readonly hang: number;
  readonly syncError: number;
  readonly full: number;
  /** What was acknowledged is damaged, or replaced by an old copy. */
  readonly damage: number;
  readonly wipe: number;
  readonly change: number;
  readonly transfer: number;
}

/** Survivor mode, with the operator's settings. */
export interface SurvivorTimes {
  readonly silenceMs: number;
  readonly coldMs: number;
}

export interface Workload {
  readonly clients: number;
  /** Mean pause of a client between two requests. */
  readonly thinkMs: number;
  readonly keys: number;
  /** Probability that a write is one of a variable of its own, which nothing overwrites. */
  readonly alone: number;
}

export interface Profile {
  readonly nodes: number;
  readonly voters: number;
  readonly chaosMs: number;
  readonly net: NetProfile;
  readonly disk: DiskProfile;
  readonly faults: FaultRates;
  /** Probability that operator and network strike right after an election or a change. */
  readonly haste: number;
  /** Probability per disk operation that the process dies right then. */
  readonly killAtIo: number;
  /** Probability that a process dies while it changes its generation, or takes a page of a merge. */
  readonly killAtChange: number;
  readonly downMs: number;
  readonly partitionMs: number;
  readonly pauseMs: number;
  readonly restartMs: number;
  /** 0.05: clocks run up to 5 % fast or slow. */
  readonly clockDrift: number;
  readonly workload: Workload;
  /** Messages go through the wire format. */
  readonly encoded: boolean;
  readonly core: Omit<CoreOptions, "self" | "random">;
  readonly driver: Partial<Omit<DriverOptions, "self" | "bootstrap" | "core">>;
  readonly autopilot: AutopilotLimits;
  /** Jobs work on the nodes of the members. */
  readonly jobs: boolean;
  /** Supervisors attest the end of agents; a power switch turns hosts off. */
  readonly exits: boolean;
  readonly fence: boolean;
  /** Null: an agent without a quorum waits for it. */
  readonly survivor: SurvivorTimes | null;
  /** Newest entries that storage gives back at open. */
  readonly tailBytes: number;
}

export const calm: FaultRates = {
  ...{ kill: 0, power: 0, stop: 0, pause: 0, stall: 0, wallJump: 0, partition: 0, flap: 0 },
  ...{ hang: 0, syncError: 0, full: 0, damage: 0, wipe: 0, change: 0, transfer: 0 },
};

interface Dice {
  chance(probability: number): boolean;
  between(low: number, high: number): number;
  maybe(probability: number, low: number, high: number): number;
  below(bound: number): number;
}

function diceOf(random: Random): Dice {
  const chance = (probability: number): boolean => random.float() < probability;
  const between = (low: number, high: number): number => low + random.float() * (high - low);
  const maybe = (probability: number, low: number, high: number): number =>
    chance(probability) ? between(low, high) : 0;
  return { chance, between, maybe, below: (bound) => random.below(bound) };
}

/** Everything random: the mixture of faults, sizes, latencies and limits. */
export function drawProfile(random: Random, chaosMs: number): Profile {
  const dice = diceOf(random);
  const voters = 1 + dice.below(5);
  return {
    nodes: Math.min(6, voters + dice.below(3)),
    voters,
    chaosMs,
    net: drawNet(dice),
    disk: {
      syncMs: dice.between(0.3, 10),
      spikeMs: dice.between(10, 600),
      spikeChance: dice.maybe(0.6, 0, 0.03),
    },
    faults: drawFaults(dice),
    haste: dice.maybe(0.4, 0.2, 1),
    killAtIo: dice.maybe(0.3, 0.0005, 0.003),
    downMs: dice.between(300, 3000),
    partitionMs: dice.between(500, 4000),
    pauseMs: dice.between(300, 4000),
    restartMs: dice.between(100, 1000),
    clockDrift: dice.maybe(0.6, 0.01, 0.05),
    workload: {
      clients: 1 + dice.below(4),
      thinkMs: dice.between(100, 600),
      keys: 1 + dice.below(4),
      alone: 0,
    },
    survivor: null,
    ...{ jobs: false, exits: false, fence: false },
    killAtChange: 0,
    encoded: dice.chance(0.2),
    ...drawOptions(dice),
  };
}

function drawNet({ between, maybe, chance }: Dice): NetProfile {
  return {
    latencyMs: between(0.5, 15),
    spikeMs: between(20, 400),
    spikeChance: maybe(0.7, 0, 0.1),
    lossChance: maybe(0.6, 0, 0.15),
    duplicateChance: maybe(0.5, 0, 0.1),
    fifo: chance(0.6),
  };
}

function drawFaults({ maybe, chance }: Dice): FaultRates {
  // A random operator and lost members together could remove the last quorum, which no protocol survives.
  const operator = chance(0.3);
  return {
    kill: maybe(0.6, 2000, 12_000),
    power: maybe(0.6, 2000, 12_000),
    stop: maybe(0.3, 4000, 15_000),
    pause: maybe(0.4, 3000, 12_000),
    stall: maybe(0.3, 1000, 8000),
    wallJump: maybe(0.3, 3000, 10_000),
    partition: maybe(0.7, 2000, 10_000),
    flap: maybe(0.2, 6000, 20_000),
    hang: maybe(0.3, 5000, 15_000),
    syncError: maybe(0.3, 6000, 20_000),
    full: maybe(0.2, 8000, 20_000),
    damage: operator ? 0 : maybe(0.4, 5000, 15_000),
    wipe: operator ? 0 : maybe(0.3, 10_000, 20_000),
    change: operator ? maybe(1, 200, 3000) : 0,
    transfer: maybe(0.4, 1000, 6000),
  };
}

function drawOptions({
  below,
  between,
  chance,
}: Dice): Pick<Profile, "core" | "driver" | "autopilot" | "tailBytes"> {
  const electionTicks = 6 + below(3) * 7;
  const pace = electionTicks / 20;
  return {
    core: {
      electionTicks,
      heartbeatTicks: 1 + below(3),
      evictTicks: chance(0.3) ? 0 : 3 * electionTicks,
      maxAppendBytes: 300 + below(8000),
      maxInflightMessages: 1 + below(8),
      maxInflightBytes: 1000 + below(20_000),
      maxUncommittedBytes: 4000 + below(40_000),
      maxApplyBytes: 300 + below(8000),
      maxEntryBytes: 4096,
      maxTailBytes: 500 + below(20_000),
    },
    driver: {
      snapshotEntries: 30 + below(300),
      trailingEntries: 1 + below(60),
      proposalTimeoutMs: between(2000, 10_000),
      transferOnStopMs: 1000,
    },
    autopilot: {
      ...defaultAutopilotLimits,
      demoteAfterMs: 5000 * Math.max(0.4, pace),
      loseAfterMs: 20_000,
      stableMs: between(1000, 10_000),
    },
    tailBytes: chance(0.5) ? 1 << 24 : 500 + below(5000),
  };
}
