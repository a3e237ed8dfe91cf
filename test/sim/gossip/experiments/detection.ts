/** S3, S4, S6: how fast a dead member is suspected and failed, and how often a living one is under loss. */
import { type GossipOptions } from "../../../../src/gossip/options.ts";
import { type Experiment, mean, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface DetectionOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly crashes: number;
  readonly how: "killed" | "lost";
  readonly protocol?: Partial<GossipOptions>;
}

export interface Detections {
  /** Milliseconds from the crash, one entry per crash. */
  readonly suspected: number[];
  readonly first: number[];
  readonly full: number[];
  falsePositives: number;
}

/** Crashes one member after the other and waits each time until all survivors know. */
export function detections(options: DetectionOptions): Detections {
  const { nodes, seed, crashes, how } = options;
  const sim = new Simulation({ nodes, seed, protocol: options.protocol ?? {} });
  sim.runUntil(5000);
  const result: Detections = { suspected: [], first: [], full: [], falsePositives: 0 };
  for (let crash = 0; crash < crashes; crash += 1) {
    sim.runUntil(sim.now + 1000 + sim.random.float() * 1000);
    const victim = sim.random.below(nodes);
    if (!sim.node(victim).isUp) continue;
    const at = sim.now;
    const knowing = new Set<number>();
    let suspected = Infinity;
    let first = Infinity;
    sim.onEvent = ({ kind, node, member }) => {
      if (kind !== "failed" && kind !== "suspect") return;
      if (member !== victim) {
        if (kind === "failed" && sim.node(member).isUp) result.falsePositives += 1;
      } else if (kind === "suspect") suspected = Math.min(suspected, sim.now - at);
      else {
        first = Math.min(first, sim.now - at);
        knowing.add(node);
      }
    };
    sim.node(victim).stop(how);
    const survivors = sim.up.length;
    sim.runUntil(at + 300_000, () => knowing.size === survivors);
    result.suspected.push(suspected);
    result.first.push(first);
    result.full.push(sim.now - at);
  }
  return result;
}

function merge(parts: readonly Detections[]): Detections {
  return {
    suspected: parts.flatMap((part) => part.suspected),
    first: parts.flatMap((part) => part.first),
    full: parts.flatMap((part) => part.full),
    falsePositives: parts.reduce((sum, part) => sum + part.falsePositives, 0),
  };
}

const off = { probe: false, suspicion: false, buddy: false };
const detectionVariants: readonly (readonly [string, Partial<GossipOptions>, "killed" | "lost"])[] =
  [
    ["SWIM α5", { selector: "uniform", suspicionMult: 5, lifeguard: off }, "lost"],
    ["Lifeguard α5 K3", { selector: "uniform", suspicionMult: 5, confirmations: 3 }, "lost"],
    ["Lifeguard α4 K2", { selector: "uniform", suspicionMult: 4, confirmations: 2 }, "lost"],
    ["Lifeguard α2 K3", { selector: "uniform", suspicionMult: 2, confirmations: 3 }, "lost"],
    ["ring α4 K2, host lost", {}, "lost"],
    ["ring α4 K2, process killed", {}, "killed"],
  ];

export const s3: Experiment = ({ seeds, full }) => {
  const crashes = full ? 20 : 5;
  const results = detectionVariants.map(([name, protocol, how]) => {
    const parts = seeds.map((seed) => detections({ nodes: 128, seed, crashes, how, protocol }));
    return { name, ...merge(parts) };
  });
  const median = (name: string): number =>
    quantile(results.find((result) => result.name === name)?.full ?? [], 0.5);
  const swim = median("SWIM α5");
  return {
    id: "S3",
    title: "detection latency, N=128, s",
    columns: [
      ...["config", "suspect p50", "first p50", "first p99", "first p99.9"],
      ...["full p50", "full p99", "full p99.9", "FP"],
    ],
    rows: results.map(({ name, suspected, first, full: last, falsePositives }) => [
      ...[name, quantile(suspected, 0.5) / 1000],
      ...[0.5, 0.99, 0.999].map((share) => quantile(first, share) / 1000),
      ...[0.5, 0.99, 0.999].map((share) => quantile(last, share) / 1000),
      falsePositives,
    ]),
    verdicts: [
      {
        claim: "Lifeguard α5 within 1 % of SWIM α5",
        holds: Math.abs(median("Lifeguard α5 K3") / swim - 1) <= 0.01,
      },
      { claim: "α4 takes ≤ 85 % of SWIM", holds: median("Lifeguard α4 K2") / swim <= 0.85 },
      { claim: "α2 takes ≤ 57 % of SWIM", holds: median("Lifeguard α2 K3") / swim <= 0.57 },
      {
        claim: "a killed process is failed everywhere in 1.5 s",
        holds: median("ring α4 K2, process killed") <= 1500,
      },
    ],
  };
};

export const s4: Experiment = ({ seeds, full }) => {
  const sizes = full ? [8, 30, 100, 300, 1000, 3000, 10_000] : [8, 30, 100];
  const rows = sizes.map((nodes) => {
    const crashes = Math.min(full ? 10 : 5, nodes - 3);
    const run = (selector: "ring" | "uniform"): Detections => {
      const protocol = { selector };
      return merge(
        seeds.map((seed) => detections({ nodes, seed, crashes, how: "lost", protocol })),
      );
    };
    const uniform = run("uniform").suspected;
    const ring = run("ring").suspected;
    return [
      nodes,
      ...[uniform, ring].flatMap((run) => [mean(run) / 1000, quantile(run, 1) / 1000]),
    ];
  });
  const means = rows.map((row) => Number(row[1]));
  return {
    id: "S4",
    title:
      "first suspicion of a lost host, in probe periods; SWIM predicts 1.58, and 2N−1 at worst",
    columns: ["N", "uniform mean", "uniform max", "ring mean", "ring max"],
    rows,
    verdicts: [
      {
        claim:
          "1.58 to 2.08 periods on average: half a period more, as a probe ends with its period",
        holds: means.every((value) => value >= 1.43 && value <= 2.23),
      },
      {
        claim: "never more than 2N−1",
        holds: rows.every(
          (row) => Math.max(Number(row[2]), Number(row[4])) <= 2 * Number(row[0]) - 1,
        ),
      },
    ],
  };
};

/** Wrong suspicions and failures in a cluster that only loses frames. */
export function lossFaults(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly loss: number;
  readonly durationMs: number;
  readonly selector: "ring" | "uniform";
}): { suspicions: number; failures: number } {
  const { nodes, seed, loss, selector, durationMs } = options;
  const sim = new Simulation({ nodes, seed, protocol: { selector }, network: { loss } });
  const faults = { suspicions: 0, failures: 0 };
  sim.onEvent = ({ kind }) => {
    if (kind === "suspect") faults.suspicions += 1;
    if (kind === "failed") faults.failures += 1;
  };
  sim.runUntil(durationMs);
  return faults;
}

export const s6: Experiment = ({ seeds, full }) => {
  const durationMs = full ? 600_000 : 60_000;
  const rows = [0, 0.05, 0.1, 0.25, 0.4].map((loss) => {
    const runs = (["ring", "uniform"] as const).map((selector) =>
      seeds.map((seed) => lossFaults({ nodes: 100, seed, loss, durationMs, selector })),
    );
    const cells = runs.flatMap((run) => [
      mean(run.map(({ suspicions }) => suspicions)),
      mean(run.map(({ failures }) => failures)),
    ]);
    return [`${loss * 100} %`, ...cells];
  });
  const minutes = durationMs / 60_000;
  const failures = (row: number, selector: "ring" | "uniform"): number =>
    Number(rows[row]?.[selector === "ring" ? 2 : 4]);
  return {
    id: "S6",
    title: `wrong suspicions and failures under loss, N=100, ${durationMs / 1000} s, per run`,
    columns: ["loss", "ring suspect", "ring failed", "uniform suspect", "uniform failed"],
    rows,
    verdicts: [
      {
        claim: "no failure at 5 % loss",
        holds: failures(1, "ring") + failures(1, "uniform") === 0,
      },
      {
        claim: "at 25 % loss no more than serf's: one a minute",
        holds: failures(3, "ring") <= minutes,
      },
    ],
  };
};
