/** S1: how fast one change of one record reaches everybody, against the formula of Serf's simulator. */
import { type Experiment } from "../report.ts";
import { mean, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface ConvergenceOptions {
  readonly nodes: number;
  readonly loss: number;
  readonly seed: number;
  readonly selector: "ring" | "uniform";
}

/** Milliseconds until each of the other nodes had the update; shorter when some never got it. */
export function convergenceMs(options: ConvergenceOptions): readonly number[] {
  const { nodes, loss, seed, selector } = options;
  const sim = new Simulation({ nodes, seed, protocol: { selector }, network: { loss } });
  sim.runUntil(5000);
  const times: number[] = [];
  sim.onEvent = ({ kind, member, at }) => {
    if (kind === "update" && member === 0) times.push(at - 5000);
  };
  sim.node(0).post({ kind: "describe", change: { tags: { role: "storage" } } });
  sim.runUntil(35_000, () => times.length === nodes - 1);
  return times;
}

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
  let missed = 0;
  for (const nodes of sizes) {
    for (const loss of [0, 0.05, 0.25]) {
      const runs = seeds.map((seed) => convergenceMs({ nodes, loss, seed, selector: "ring" }));
      const formula = serfFormulaMs(nodes, loss);
      const all = mean(runs.map((run) => quantile(run, 1)));
      const t9999 = mean(runs.map((run) => quantile(run, 0.9999)));
      missed += runs.filter((run) => run.length < nodes - 1).length;
      if (t9999 > formula) slower += 1;
      const t50 = mean(runs.map((run) => quantile(run, 0.5)));
      const t99 = mean(runs.map((run) => quantile(run, 0.99)));
      rows.push([nodes, `${loss * 100} %`, t50, t99, t9999, all, formula]);
    }
  }
  return {
    id: "S1",
    title: "convergence of one record, ring overlay, ms",
    columns: ["N", "loss", "t50", "t99", "t99.99", "all", "serf formula 99.99"],
    rows,
    verdicts: [
      { claim: "t99.99 within Serf's formula at all points", holds: slower === 0 },
      { claim: "everybody reached in 30 s", holds: missed === 0 },
    ],
  };
};
