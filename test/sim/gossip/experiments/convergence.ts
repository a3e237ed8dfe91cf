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
const rumoursOnlyUpTo = 3000;

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

interface Spread {
  readonly t50: number;
  readonly t99: number;
  readonly t9999: number;
  readonly all: number;
  readonly framesPerNode: number;
  readonly bytesPerNode: number;
}

function spreadOf({ times, framesPerNode, bytesPerNode }: Convergence): Spread {
  const [t50 = 0, t99 = 0, t9999 = 0, all = 0] = [0.5, 0.99, 0.9999, 1].map((share) =>
    quantile(times, share),
  );
  return { t50, t99, t9999, all, framesPerNode, bytesPerNode };
}

export const s1: Experiment = ({ runs: run, full }) => {
  const sizes = full ? [30, 100, 300, 1000, 3000, 10_000] : [30, 100, 300];
  const rows: (string | number)[][] = [];
  let slower = 0;
  let incomplete = 0;
  for (const nodes of sizes) {
    for (const loss of [0, 0.05, 0.25]) {
      const cell = `N=${nodes} ${loss * 100} %`;
      const base = { nodes, loss, selector: "ring" } as const;
      const runs = run(cell, (seed) => spreadOf(convergence({ ...base, seed })));
      const average = (of: keyof Spread): number => mean(runs.map((spread) => spread[of]));
      const formula = serfFormulaMs(nodes, loss);
      const reached =
        nodes <= rumoursOnlyUpTo
          ? run(`${cell} rumours only`, (seed) => reachedByRumours({ ...base, seed }))
          : null;
      const missed = reached?.filter((count) => count < nodes - 1).length ?? null;
      if (missed !== null && missed * 20 > runs.length) incomplete += 1;
      if (average("t9999") > formula) slower += 1;
      rows.push([
        ...[nodes, `${loss * 100} %`, runs.length],
        ...[average("t50"), average("t99"), average("t9999"), average("all"), formula],
        ...[missed ?? "–", average("framesPerNode"), average("bytesPerNode")],
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
        "runs",
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

/** How many rumours alone reach within 30 s. */
function reachedByRumours(options: ConvergenceOptions): number {
  return convergence({ ...options, rumoursOnly: true }).times.length;
}
