/** Runs with a purpose: faults aimed at one part of the protocol. The general ones are drawn from the seed. */
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { type NemesisProfile, type Profile } from "./profile.ts";

const calm: NemesisProfile = {
  crashMs: 0,
  downMs: 800,
  partitionMs: 0,
  partitionForMs: 600,
  pauseMs: 0,
  pauseForMs: 1200,
  changeMs: 0,
  haste: 0,
  transferMs: 0,
  compactMs: 0,
  proposeMs: 0,
  readMs: 0,
};

const quick = {
  ...defaultCoreOptions,
  electionTicks: 4,
  heartbeatTicks: 2,
  evictTicks: 0,
  maxUncommittedBytes: 5000,
};

const plainDisk = { syncMs: 2, spikeMs: 1, spikeChance: 0 };
const plainNet = {
  latencyMs: 10,
  spikeMs: 200,
  spikeChance: 0,
  lossChance: 0.05,
  duplicateChance: 0,
  fifo: true,
};

/** Leaders die young and logs travel entry by entry: the schedule of figure 8 of the Raft paper. */
export const leadersDieYoung: Partial<Profile> = {
  nodes: 5,
  voters: 5,
  chaosMs: 8000,
  net: { ...plainNet, spikeChance: 0.1 },
  disk: plainDisk,
  nemesis: { ...calm, crashMs: 180, proposeMs: 25 },
  core: { ...quick, heartbeatTicks: 1, maxAppendBytes: 1, maxInflightMessages: 1 },
};

/** The configuration changes all the time, and the network breaks right after changes and elections. */
export function reconfiguration(voters: number, nodes: number): Partial<Profile> {
  return {
    nodes,
    voters,
    chaosMs: 3000,
    net: { ...plainNet, lossChance: 0.1 },
    disk: plainDisk,
    nemesis: { ...calm, changeMs: 40, haste: 0.8 },
    core: quick,
  };
}

/** Processes stop and go on, and are asked at once what they know. */
export const sleepyLeaders: Partial<Profile> = {
  nodes: 3,
  voters: 3,
  chaosMs: 8000,
  net: plainNet,
  disk: plainDisk,
  nemesis: { ...calm, pauseMs: 500, proposeMs: 20, readMs: 20 },
  core: quick,
};

/** Logs diverge behind partitions, disks are slow, and followers fall behind the compacted log. */
export const slowDisks: Partial<Profile> = {
  nodes: 5,
  voters: 5,
  chaosMs: 8000,
  net: { ...plainNet, fifo: false, duplicateChance: 0.1 },
  disk: { syncMs: 20, spikeMs: 800, spikeChance: 0.1 },
  nemesis: {
    ...calm,
    crashMs: 900,
    partitionMs: 400,
    partitionForMs: 500,
    compactMs: 300,
    proposeMs: 15,
    haste: 0.5,
  },
  core: { ...quick, maxAppendBytes: 100, maxInflightMessages: 4 },
};
