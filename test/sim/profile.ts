/** What may go wrong in a run, drawn from its seed: every run enables another mixture of faults. */
import { type Random } from "../../src/base/random.ts";
import { type CoreOptions } from "../../src/consensus/core/types.ts";
import { type DiskProfile } from "./disk.ts";
import { type NetProfile } from "./net.ts";

/** Mean times between events, in virtual milliseconds; 0 turns one off. */
export interface NemesisProfile {
  readonly crashMs: number;
  readonly downMs: number;
  readonly partitionMs: number;
  readonly partitionForMs: number;
  readonly pauseMs: number;
  readonly pauseForMs: number;
  readonly changeMs: number;
  /** Probability that operator and network strike right after an election or a change. */
  readonly haste: number;
  readonly transferMs: number;
  readonly compactMs: number;
  readonly proposeMs: number;
  readonly readMs: number;
}

export interface Profile {
  readonly nodes: number;
  readonly voters: number;
  readonly chaosMs: number;
  readonly net: NetProfile;
  readonly disk: DiskProfile;
  readonly nemesis: NemesisProfile;
  readonly core: Omit<CoreOptions, "self" | "random">;
  readonly loadMs: number;
}

export const tickMs = 50;

export function drawProfile(random: Random, chaosMs: number): Profile {
  const chance = (probability: number): boolean => random.float() < probability;
  const between = (low: number, high: number): number => low + random.float() * (high - low);
  const maybe = (probability: number, low: number, high: number): number =>
    chance(probability) ? between(low, high) : 0;
  const voters = 1 + random.below(5);
  return {
    nodes: Math.min(6, voters + random.below(3)),
    voters,
    chaosMs,
    net: {
      latencyMs: between(1, 15),
      spikeMs: between(20, 400),
      spikeChance: maybe(0.7, 0, 0.1),
      lossChance: maybe(0.6, 0, 0.15),
      duplicateChance: maybe(0.5, 0, 0.1),
      fifo: chance(0.5),
    },
    disk: {
      syncMs: between(0.3, 10),
      spikeMs: between(10, 600),
      spikeChance: maybe(0.6, 0, 0.05),
    },
    nemesis: drawNemesis(maybe),
    core: drawCore(random),
    loadMs: between(1, 30),
  };
}

function drawNemesis(
  maybe: (probability: number, low: number, high: number) => number,
): NemesisProfile {
  return {
    crashMs: maybe(0.7, 800, 6000),
    downMs: 1500,
    partitionMs: maybe(0.7, 800, 6000),
    partitionForMs: 1800,
    pauseMs: maybe(0.3, 2000, 6000),
    pauseForMs: 1500,
    changeMs: maybe(0.6, 150, 2500),
    haste: maybe(0.4, 0.2, 1),
    transferMs: maybe(0.4, 500, 4000),
    compactMs: maybe(0.6, 300, 3000),
    proposeMs: maybe(1, 8, 60),
    readMs: maybe(0.9, 20, 200),
  };
}

function drawCore(random: Random): Profile["core"] {
  return {
    electionTicks: 6,
    heartbeatTicks: 1 + random.below(2),
    evictTicks: random.below(3) === 0 ? 0 : 12,
    maxAppendBytes: 100 + random.below(2000),
    maxInflightMessages: 1 + random.below(8),
    maxInflightBytes: 200 + random.below(8000),
    maxUncommittedBytes: 500 + random.below(5000),
    maxApplyBytes: 100 + random.below(2000),
    maxEntryBytes: 64,
    maxTailBytes: 100 + random.below(4000),
  };
}
