/** S1: how fast one change of one record reaches everybody, against the formula of Serf's simulator. */
import { type Experiment } from "../report.ts";
import { mean, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface ConvergenceOptions {
  readonly nodes: number;
  readonly loss: number;
  readonly seed: number;
  readonly selector: "ring" | "uniform";
  /** Views are not compared, so that only rumours tell. */
  readonly rumoursOnly?: boolean;
}

export interface Convergence {
  /** Milliseconds until each of the other nodes had the update; shorter when some never got it. */
  readonly times: readonly number[];
  /** What the nodes sent meanwhile, probes included. */
  readonly framesPerNode: number;
  readonly bytesPerNode: number;
}

export function convergence(options: ConvergenceOptions): Convergence {
  const { nodes, loss, seed, selector } = options;
  const protocol = { selector, ...(options.rumoursOnly === true ? withoutSyncs : {}) };
  const sim = new Simulation({ nodes, seed, protocol, network: { loss } });
  sim.runUntil(5000);
  sim.framesSent.fill(0);
  sim.bytesSent.fill(0);
  const times: number[] = [];
  sim.onEvent = ({ kind, member, at }) => {
    if (kind === "update" && member === 0) times.push(at - 5000);
  };
  sim.node(0).post({ kind: "describe", change: { tags: { role: "storage" } } });
  sim.runUntil(35_000, () => times.length === nodes - 1);
  return {
    times,
    framesPerNode: mean([...sim.framesSent]),
    bytesPerNode: mean([...sim.bytesSent]),
  };
}

const withoutSyncs = { syncMinMs: 1e9, syncMaxMs: 1e9 } as const;
/** Larger clusters are not simulated a second time with rumours only. */
const rumoursOnlyUpTo = 1000;

/**
 * Serf's convergence simulator: share reached after r rounds x(r) = 1 / (1 + (N+1)·e^(−c·N·r)) with
 * c = fanout/N · (1−loss) / 2; the time when x is 99.99 %.
 */
export function serfFormulaMs(
  nodes: number,
  loss: number,
  { fanout = 3, intervalMs = 200 } = {},
): number {
  const rate = (fanout * (1 - loss)) / 2;
  const rounds = Math.log(((nodes + 1) * 0.9999) / (1 - 0.9999)) / rate;
  return rounds * intervalMs;
}

export const s1: Experiment = ({ seeds, full }) => {
  const sizes = full ? [30, 100, 300, 1000, 3000, 10_000] : [30, 100, 300];
  const rows: (string | number)[][] = [];
  let slower = 0;
  let incomplete = 0;
  for (const nodes of sizes) {
    for (const loss of [0, 0.05, 0.25]) {
      const runs = seeds.map((seed) => convergence({ nodes, loss, seed, selector: "ring" }));
      const at = (share: number): number => mean(runs.map(({ times }) => quantile(times, share)));
      const formula = serfFormulaMs(nodes, loss);
      const missed = nodes <= rumoursOnlyUpTo ? missedByRumours(nodes, loss, seeds) : null;
      if (missed !== null && missed * 20 > runs.length) incomplete += 1;
      if (at(0.9999) > formula) slower += 1;
      rows.push([
        ...[nodes, `${loss * 100} %`, at(0.5), at(0.99), at(0.9999), at(1), formula, missed ?? "–"],
        mean(runs.map(({ framesPerNode }) => framesPerNode)),
        mean(runs.map(({ bytesPerNode }) => bytesPerNode)),
      ]);
    }
  }
  return {
    id: "S1",
    title: "convergence of one record, ring overlay, ms",
    columns: [
      ...[
        "N",
        "loss",
        "t50",
        "t99",
        "t99.99",
        "all",
        "serf formula 99.99",
        "runs where rumours missed one",
      ],
      ...["frames/node", "bytes/node"],
    ],
    rows,
    verdicts: [
      { claim: "t99.99 within Serf's formula at all points", holds: slower === 0 },
      { claim: "rumours alone reach everybody in 19 of 20 runs", holds: incomplete === 0 },
    ],
  };
};

/** Runs in which rumours alone do not reach everybody within 30 s. */
function missedByRumours(nodes: number, loss: number, seeds: readonly number[]): number {
  const base = { nodes, loss, selector: "ring", rumoursOnly: true } as const;
  const reached = seeds.map((seed) => convergence({ ...base, seed }).times.length);
  return reached.filter((count) => count < nodes - 1).length;
}
