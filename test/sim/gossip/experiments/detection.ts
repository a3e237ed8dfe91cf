/** S3, S4, S6: how fast a dead member is suspected and failed, and how often a living one is under loss. */
import { type GossipOptions, lanOptions } from "../../../../src/gossip/options.ts";
import { type DatagramUse } from "../../../../src/gossip/ports.ts";
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

export const s3: Experiment = ({ runs, full }) => {
  const crashes = full ? 20 : 5;
  const results = detectionVariants.map(([name, protocol, how]) => {
    const parts = runs(name, (seed) => detections({ nodes: 128, seed, crashes, how, protocol }));
    return { name, crashes: crashes * parts.length, ...merge(parts) };
  });
  const median = (name: string): number =>
    quantile(results.find((result) => result.name === name)?.full ?? [], 0.5);
  const swim = median("SWIM α5");
  return {
    id: "S3",
    title: "detection latency, N=128, s",
    columns: [
      ...["config", "crashes", "suspect p50", "first p50", "first p99", "first p99.9"],
      ...["full p50", "full p99", "full p99.9", "FP"],
    ],
    rows: results.map(({ name, suspected, first, full: last, falsePositives, ...row }) => [
      ...[name, row.crashes, quantile(suspected, 0.5) / 1000],
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

/**
 * Milliseconds from each crash to the first suspicion. A small cluster gets rid of its dead before the next one dies,
 * as probes spent on them are not spent on others; in a large one a few more or less do not count.
 */
export function firstSuspicions(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly crashes: number;
  readonly selector: "ring" | "uniform";
}): readonly number[] {
  const { nodes, seed, crashes, selector } = options;
  if (nodes < 1000) {
    const protocol = { selector };
    return detections({ nodes, seed, crashes, how: "lost", protocol }).suspected;
  }
  const sim = new Simulation({ nodes, seed, protocol: { selector } });
  sim.runUntil(5000);
  const times: number[] = [];
  for (let crash = 0; crash < crashes; crash += 1) {
    sim.runUntil(sim.now + 1000 + sim.random.float() * 1000);
    const victim = sim.random.below(nodes);
    if (!sim.node(victim).isUp) continue;
    const at = sim.now;
    let suspected = false;
    sim.onEvent = ({ kind, member }) => (suspected ||= kind === "suspect" && member === victim);
    sim.node(victim).stop("lost");
    sim.runUntil(at + 60_000, () => suspected);
    times.push(suspected ? sim.now - at : Infinity);
  }
  return times;
}

/**
 * SWIM §3.1 counts the protocol period in which the first probe of the dead member begins, the first one after the
 * crash being 1, and finds 1/(1 − e^−1) = 1.58 of them. From the crash to the suspicion it is more: periods of
 * different members begin at any time, so that the wait for that probe is 1 period on average (of which the paper's
 * count makes 1.58), and the probe takes its whole period to fail.
 */
function swimPeriods(suspectedMs: number): number {
  return Math.ceil(suspectedMs / lanOptions.probeIntervalMs) - 1;
}

export const s4: Experiment = ({ runs, full }) => {
  const sizes = full ? [8, 30, 100, 300, 1000, 3000, 10_000] : [8, 30, 100];
  const rows = sizes.flatMap((nodes) =>
    (["uniform", "ring"] as const).map((selector) => {
      const crashes = Math.min(full ? 10 : 5, nodes - 3);
      const times = runs(`N=${nodes} ${selector}`, (seed) =>
        firstSuspicions({ nodes, seed, crashes, selector }),
      ).flat();
      const periods = times.map(swimPeriods);
      return [
        ...[nodes, selector, times.length, mean(times) / 1000],
        ...[quantile(times, 1) / 1000, mean(periods), quantile(periods, 1)],
      ];
    }),
  );
  return {
    id: "S4",
    title: "first suspicion of a lost host, in probe periods",
    columns: [
      ...["N", "selector", "crashes", "crash to suspicion, mean", "worst"],
      ...["period of the probe, mean (SWIM: 1.58)", "worst"],
    ],
    rows,
    verdicts: [
      {
        claim: "uniform: the probe begins in period 1.58 ± 0.15 on average, counted as SWIM does",
        holds: rows.every((row) => row[1] === "ring" || Math.abs(Number(row[5]) - 1.58) <= 0.15),
      },
      {
        claim: "ring: no later than that",
        holds: rows.every((row) => row[1] === "uniform" || Number(row[5]) <= 1.58 + 0.15),
      },
      {
        claim: "never more than 2N−1 periods from the crash to the suspicion",
        holds: rows.every((row) => Number(row[4]) <= 2 * Number(row[0]) - 1),
      },
    ],
  };
};

export interface LossFaults {
  /** Probes that failed, indirect ones included, so that somebody was accused. */
  readonly accusations: number;
  /** Suspicions in all views: an accusation that is not denied in time is one in each. */
  readonly suspicions: number;
  readonly failures: number;
}

/** Wrong suspicions and failures in a cluster that only loses packets. */
export function lossFaults(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly loss: number;
  readonly durationMs: number;
  readonly selector: "ring" | "uniform";
  /** Null: one lane, which loses frames. */
  readonly datagrams?: DatagramUse | null;
}): LossFaults {
  const { nodes, seed, loss, selector, durationMs, datagrams = null } = options;
  const network = { loss, datagrams };
  const sim = new Simulation({ nodes, seed, protocol: { selector }, network });
  let suspicions = 0;
  let failures = 0;
  sim.onEvent = ({ kind }) => {
    if (kind === "suspect") suspicions += 1;
    if (kind === "failed") failures += 1;
  };
  sim.runUntil(durationMs);
  const failed = sim.nodes.map(({ core }) => core.counters.get("probesFailed"));
  return { accusations: failed.reduce((sum, count) => sum + count, 0), suspicions, failures };
}

const lossCases = [
  { name: "ring", selector: "ring", datagrams: null },
  { name: "uniform", selector: "uniform", datagrams: null },
  { name: "ring, streams", selector: "ring", datagrams: "none" },
  { name: "ring, streams and datagrams", selector: "ring", datagrams: "fallback" },
] as const;

export const s6: Experiment = ({ runs: run, full }) => {
  const durationMs = full ? 600_000 : 60_000;
  const rows = [0, 0.05, 0.1, 0.25, 0.4].flatMap((loss) =>
    lossCases.map(({ name, selector, datagrams }) => {
      const runs = run(`${loss * 100} % ${name}`, (seed) =>
        lossFaults({ nodes: 100, seed, loss, durationMs, selector, datagrams }),
      );
      const average = (of: keyof LossFaults): number => mean(runs.map((faults) => faults[of]));
      const counts = [average("accusations"), average("suspicions"), average("failures")] as const;
      return [`${loss * 100} %`, name, runs.length, ...counts] as const;
    }),
  );
  const minutes = durationMs / 60_000;
  const failures = (loss: string): number =>
    rows.reduce((sum, row) => sum + (row[0] === loss ? row[5] : 0), 0);
  const perMinute = rows
    .filter(([loss, name]) => loss === "25 %" && name !== "uniform")
    .map((row) => row[5] / minutes);
  return {
    id: "S6",
    title: `wrong suspicions and failures under loss, N=100, ${durationMs / 1000} s, per run`,
    columns: ["loss", "probes over", "runs", "probes failed", "suspicions, all views", "failures"],
    rows,
    verdicts: [
      { claim: "no failure at 5 % loss", holds: failures("5 %") === 0 },
      {
        claim: "at 25 % loss no more than serf's: one a minute",
        holds: perMinute.every((count) => count <= 1),
      },
      {
        claim: "with the lanes of an agent, nobody is suspected at 5 % loss",
        holds: rows.every(
          ([loss, name, , accusations]) =>
            loss !== "5 %" || name !== "ring, streams and datagrams" || accusations === 0,
        ),
      },
    ],
  };
};
