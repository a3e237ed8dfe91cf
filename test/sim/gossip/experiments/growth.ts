/** S7 and S11: a cluster that forms out of one seed, and one that never rests. */
import { Status } from "../../../../src/gossip/core/types.ts";
import { type Experiment, mean, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface BootstrapOutcome {
  /** When the last node saw everybody; Infinity if some never did. */
  readonly completeMs: number;
  readonly seedBytes: number;
  readonly bytesPerNode: number;
  /** How many sizes of the cluster were seen by somebody on the way. */
  readonly sizesSeen: number;
}

/** Node 0 runs; the others start within one second and know only its address. */
export function bootstrap(nodes: number, seed: number, limitMs = 120_000): BootstrapOutcome {
  const sim = new Simulation({ nodes, seed, warm: false });
  const seen = new Uint32Array(nodes).fill(1);
  const sizes = new Set([1]);
  let complete = 0;
  sim.onEvent = ({ kind, node }) => {
    if (kind !== "join") return;
    const size = (seen[node] ?? 0) + 1;
    seen[node] = size;
    sizes.add(size);
    if (size === nodes) complete += 1;
  };
  sim.node(0).start();
  for (let ix = 1; ix < nodes; ix += 1) {
    sim.after(sim.random.float() * 1000, () => {
      sim.node(ix).start();
      sim.node(ix).post({ kind: "contact", peers: [0] });
    });
  }
  const done = sim.runUntil(limitMs, () => complete === nodes);
  const bytes = sim.bytesSent.reduce((sum, value) => sum + value, 0);
  return {
    completeMs: done ? sim.now : Infinity,
    seedBytes: sim.bytesSent[0] ?? 0,
    bytesPerNode: bytes / nodes,
    sizesSeen: sizes.size,
  };
}

export const s7: Experiment = ({ runs: run, full }) => {
  const sizes = full ? [128, 1000, 2000, 5000] : [30, 128, 300];
  const rows = sizes.map((nodes) => {
    const runs = run(`N=${nodes}`, (seed) => bootstrap(nodes, seed));
    const worst = Math.max(...runs.map((run) => run.completeMs));
    const average = (pick: (run: BootstrapOutcome) => number): number => mean(runs.map(pick));
    return [
      ...[nodes, runs.length, average((run) => run.completeMs) / 1000, worst / 1000],
      ...[average((run) => run.seedBytes) / 1e6, average((run) => run.bytesPerNode) / 1e6],
      average((run) => run.sizesSeen),
    ];
  });
  const worst = (size: number): number => Number(rows.find(([nodes]) => nodes === size)?.[3] ?? 0);
  return {
    id: "S7",
    title: "everybody sees everybody, one seed, all started within 1 s",
    columns: ["N", "runs", "complete s", "worst run s", "seed MB", "MB per node", "sizes seen"],
    rows,
    verdicts: [
      {
        claim: "up to 2000 members below 20 s",
        holds: sizes.every((n) => n > 2000 || worst(n) < 20),
      },
    ],
  };
};

export interface ChurnOptions {
  readonly nodes: number;
  readonly seed: number;
  /** Share of members that leave, and of absent ones that come back, per minute. */
  readonly perMinute: number;
  readonly durationMs: number;
}

/** Share of wrong entries in views, sampled once per second. */
export function churn(options: ChurnOptions): { errors: readonly number[]; queueMax: number } {
  const { nodes, seed, perMinute, durationMs } = options;
  const sim = new Simulation({ nodes, seed });
  const meanGapMs = 60_000 / (perMinute * nodes);
  const change = (): void => {
    const node = sim.node(1 + sim.random.below(nodes - 1));
    if (node.isUp) {
      node.post({ kind: "leave" });
      sim.after(2000, () => node.stop("killed"));
    } else {
      node.start();
      node.post({ kind: "contact", peers: [0] });
    }
    sim.after(-Math.log(1 - sim.random.float()) * meanGapMs, change);
  };
  sim.after(5000, change);
  const errors: number[] = [];
  let queueMax = 0;
  while (sim.now < durationMs) {
    sim.runUntil(sim.now + 1000);
    const observer = sim.node(0).core;
    const wrong = sim.nodes.filter(
      (node) => observer.table.isUp(node.ix) !== (node.isUp && node.farewellAt === Infinity),
    );
    errors.push(wrong.length / nodes);
    queueMax = Math.max(queueMax, observer.health().queue);
  }
  return { errors, queueMax };
}

export const s11: Experiment = ({ runs, full }) => {
  const nodes = full ? 1000 : 100;
  const durationMs = full ? 3_600_000 : 120_000;
  const rows = runs("", (seed) => {
    const { errors, queueMax } = churn({ nodes, seed, perMinute: 0.01, durationMs });
    return [seed, 100 * quantile(errors, 0.5), 100 * quantile(errors, 0.99), queueMax];
  });
  return {
    id: "S11",
    title: `error of one view under 1 %/min churn, N=${nodes}, %`,
    columns: ["seed", "p50", "p99", "queue max"],
    rows,
    verdicts: [{ claim: "p99 below 1 %", holds: rows.every((row) => Number(row[2]) < 1) }],
  };
};

/** True when `node` holds `member` for alive. */
export function seesAlive(sim: Simulation, node: number, member: number): boolean {
  return sim.node(node).core.table.status(member) === Status.alive;
}
