/** S8, S9, S12: many deaths at once, partitions, and the ring beside a choice among all. */
import { Status } from "../../../../src/gossip/core/types.ts";
import { type GossipOptions } from "../../../../src/gossip/options.ts";
import { type Experiment, mean, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";
import { convergence } from "./convergence.ts";
import { detections, lossFaults } from "./detection.ts";

export interface MassCrashOutcome {
  /** When half, 99 % and all of the (survivor, dead) pairs were known. */
  readonly halfMs: number;
  readonly mostMs: number;
  readonly allMs: number;
  readonly falsePositives: number;
  /** Neighbours that a survivor got for those it lost, on average. */
  readonly dials: number;
}

export function massCrash(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly share: number;
  readonly protocol?: Partial<GossipOptions>;
}): MassCrashOutcome {
  const { nodes, seed, share, protocol = {} } = options;
  const sim = new Simulation({ nodes, seed, protocol });
  sim.runUntil(5000);
  const times: number[] = [];
  let falsePositives = 0;
  sim.onEvent = ({ kind, member }) => {
    if (kind !== "failed") return;
    if (sim.node(member).isUp) falsePositives += 1;
    else times.push(sim.now - 5000);
  };
  const dead = Math.floor(nodes * share);
  for (let ix = 0; ix < dead; ix += 1) sim.node(ix).stop("lost");
  const before = sim.up.map(({ core }) => new Set(core.neighbours));
  const pairs = dead * (nodes - dead);
  const done = sim.runUntil(305_000, () => times.length >= pairs);
  const allMs = done ? quantile(times, 1) : Infinity;
  const dialed = sim.up.map(
    ({ core }, at) => core.neighbours.filter((ix) => !before[at]?.has(ix)).length,
  );
  return {
    ...{ halfMs: quantile(times, 0.5), mostMs: quantile(times, 0.99), allMs },
    ...{ falsePositives, dials: mean(dialed) },
  };
}

export const s8: Experiment = ({ runs: run, full }) => {
  const sizes = full ? [500, 1000] : [100];
  const cases = sizes.flatMap((nodes) =>
    [0.1, 0.5].flatMap((share) =>
      (["ring", "uniform"] as const).map((selector) => ({ nodes, share, selector })),
    ),
  );
  const rows = cases.map(({ nodes, share, selector }) => {
    const protocol = { selector };
    const runs = run(`N=${nodes} ${share * 100} % ${selector}`, (seed) =>
      massCrash({ nodes, seed, share, protocol }),
    );
    return [
      ...[nodes, `${share * 100} %`, selector, runs.length],
      mean(runs.map((run) => run.halfMs)) / 1000,
      mean(runs.map((run) => run.mostMs)) / 1000,
      Math.max(...runs.map((run) => run.allMs)) / 1000,
      runs.reduce((sum, run) => sum + run.falsePositives, 0),
      selector === "ring" ? mean(runs.map((run) => run.dials)) : "–",
    ];
  });
  const ring = rows.filter((row) => row[2] === "ring");
  return {
    id: "S8",
    title: "hosts lost at once, s",
    columns: [
      "N",
      "share",
      "selector",
      "runs",
      "half",
      "99 %",
      "all, worst run",
      "FP",
      "new connections",
    ],
    rows,
    verdicts: [
      { claim: "ring: all known within 40 s", holds: ring.every((row) => Number(row[6]) <= 40) },
      { claim: "ring: no false positive", holds: ring.every((row) => row[7] === 0) },
    ],
  };
};

export interface PartitionOutcome {
  /** When every member held all members of the other side for failed. */
  readonly splitMs: number;
  /** From the end of the partition until all are alive everywhere. */
  readonly healMs: number;
  /** Most frames per node in one second after the heal. */
  readonly peakFrames: number;
}

export function partition(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly smaller: number;
  readonly durationMs: number;
}): PartitionOutcome {
  const { nodes, seed, smaller, durationMs } = options;
  const sim = new Simulation({ nodes, seed });
  sim.runUntil(5000);
  sim.network.partition((ix) => (ix < smaller ? 0 : 1));
  const begun = sim.now;
  let splitAt = Infinity;
  while (sim.now < begun + durationMs) {
    sim.runUntil(sim.now + 1000);
    if (splitAt === Infinity && statusesEverywhere(sim, splitStatus(smaller))) splitAt = sim.now;
  }
  sim.network.partition(null);
  const healed = sim.now;
  let peakFrames = 0;
  let healAt = Infinity;
  while (sim.now < healed + 120_000 && healAt === Infinity) {
    const before = sim.framesSent.reduce((sum, value) => sum + value, 0);
    sim.runUntil(sim.now + 1000);
    const frames = sim.framesSent.reduce((sum, value) => sum + value, 0) - before;
    peakFrames = Math.max(peakFrames, frames / nodes);
    if (statusesEverywhere(sim, () => Status.alive)) healAt = sim.now;
  }
  return { splitMs: splitAt - begun, healMs: healAt - healed, peakFrames };
}

function splitStatus(smaller: number): (node: number, member: number) => number {
  return (node, member) => (node < smaller === member < smaller ? Status.alive : Status.failed);
}

export function statusesEverywhere(
  sim: Simulation,
  expected: (node: number, member: number) => number,
): boolean {
  for (const node of sim.up) {
    for (let member = 0; member < sim.size; member += 1) {
      if (node.core.table.status(member) !== expected(node.ix, member)) return false;
    }
  }
  return true;
}

export const s9: Experiment = ({ runs: run, full }) => {
  const nodes = full ? 200 : 50;
  const durations = full ? [120_000, 1_800_000] : [120_000];
  const rows = [0.5, 0.25].flatMap((share) =>
    durations.map((durationMs) => {
      const smaller = Math.floor(nodes * share);
      const split = `${smaller}/${nodes - smaller}`;
      const runs = run(`${split} ${durationMs / 1000} s`, (seed) =>
        partition({ nodes, seed, smaller, durationMs }),
      );
      return [
        ...[split, durationMs / 1000, runs.length],
        Math.max(...runs.map((run) => run.splitMs)) / 1000,
        Math.max(...runs.map((run) => run.healMs)) / 1000,
        Math.max(...runs.map((run) => run.peakFrames)),
      ];
    }),
  );
  return {
    id: "S9",
    title: `partition and heal, N=${nodes}, s`,
    columns: ["split", "lasted", "runs", "all failed", "healed", "peak frames/node/s"],
    rows,
    verdicts: [{ claim: "healed within 35 s", holds: rows.every((row) => Number(row[4]) <= 35) }],
  };
};

export const s12: Experiment = ({ runs, full }) => {
  const nodes = full ? 1000 : 100;
  const rows = (["ring", "uniform"] as const).map((selector) => {
    const protocol = { selector };
    const spread = runs(`${selector} convergence`, (seed) =>
      quantile(convergence({ nodes, loss: 0, seed, selector }).times, 1),
    );
    const found = runs(`${selector} detection`, (seed) =>
      detections({ nodes, seed, crashes: 5, how: "lost", protocol }),
    );
    const faults = runs(`${selector} loss`, (seed) =>
      lossFaults({ nodes: 100, seed, loss: 0.25, durationMs: 60_000, selector }),
    );
    return [
      selector,
      `${spread.length}, ${found.length}, ${faults.length}`,
      mean(spread),
      mean(found.flatMap((run) => run.full)) / 1000,
      mean(faults.map((fault) => fault.failures)),
    ];
  });
  const [ring, uniform] = rows;
  return {
    id: "S12",
    title: `ring against uniform, N=${nodes}`,
    columns: ["selector", "runs", "convergence ms", "full detection s", "failures at 25 % loss"],
    rows,
    verdicts: [
      {
        claim: "ring detects within 15 % of uniform",
        holds: Number(ring?.[3]) <= 1.15 * Number(uniform?.[3]),
      },
      {
        claim: "ring converges within 15 % of uniform",
        holds: Number(ring?.[2]) <= 1.15 * Number(uniform?.[2]),
      },
      {
        claim: "ring fails no more under loss",
        holds: Number(ring?.[4]) <= Number(uniform?.[4]),
      },
    ],
  };
};
