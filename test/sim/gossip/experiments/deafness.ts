/** S10: nodes that do not hear, though they are heard (Rapid's asymmetric faults), and what they cost the inventory. */
import { InventoryLeader } from "../inventory-leader.ts";
import { type Experiment, mean } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface DeafOutcome {
  failuresOfDeaf: number;
  returnsOfDeaf: number;
  failuresOfHealthy: number;
  /** Sizes of the cluster that healthy nodes saw in the same moment, once a second. */
  distinctSizes: number[];
  smallestSize: number;
  /** Changes of reachability that the leader wrote, for the deaf one that had most, and for all healthy ones. */
  changesOfDeaf: number;
  changesOfHealthy: number;
  /** Entries of the log that these changes took. */
  entries: number;
}

/** Some nodes lose what comes in: all of it, on and off, or a share of it all the time. The last node leads. */
export function deafNodes(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly deaf: number;
  readonly share: number;
  readonly halfPeriodMs: number;
  readonly durationMs: number;
}): DeafOutcome {
  const { nodes, seed, deaf, share, halfPeriodMs, durationMs } = options;
  const sim = new Simulation({ nodes, seed });
  const leader = new InventoryLeader(sim, nodes - 1);
  sim.runUntil(5000);
  const outcome: DeafOutcome = {
    ...{ failuresOfDeaf: 0, returnsOfDeaf: 0, failuresOfHealthy: 0 },
    ...{ distinctSizes: [], smallestSize: nodes },
    ...{ changesOfDeaf: 0, changesOfHealthy: 0, entries: 0 },
  };
  sim.onEvent = (event) => {
    const { kind, member } = event;
    if (kind === "failed" && member < deaf) outcome.failuresOfDeaf += 1;
    if (kind === "alive" && member < deaf) outcome.returnsOfDeaf += 1;
    if (kind === "failed" && member >= deaf) outcome.failuresOfHealthy += 1;
    leader.hear(event);
  };
  const end = sim.now + durationMs;
  const look = (): void => {
    const sizes = sim.nodes.slice(deaf).map(({ core }) => core.table.upCount);
    outcome.distinctSizes.push(new Set(sizes).size);
    outcome.smallestSize = Math.min(outcome.smallestSize, ...sizes);
    if (sim.now + 1000 <= end) sim.after(1000, look);
  };
  sim.after(1000, look);
  for (let on = true; sim.now < end; on = !on) {
    for (let ix = 0; ix < deaf; ix += 1) sim.network.ingressLoss(ix, on ? share : 0);
    sim.runUntil(Math.min(end, sim.now + halfPeriodMs));
  }
  for (const [id, changes] of leader.changes) {
    if (sim.directory.find(id) >= deaf) outcome.changesOfHealthy += changes;
    else outcome.changesOfDeaf = Math.max(outcome.changesOfDeaf, changes);
  }
  outcome.entries = leader.entries;
  return outcome;
}

export const s10: Experiment = ({ runs: run, full }) => {
  const nodes = full ? 1000 : 100;
  const deaf = Math.max(1, nodes / 100);
  const cases = [
    { name: "deaf 20 s on, 20 s off", share: 1, halfPeriodMs: 20_000 },
    { name: "80 % ingress loss", share: 0.8, halfPeriodMs: 1e9 },
  ];
  const rows = cases.map(({ name, share, halfPeriodMs }) => {
    const base = { nodes, deaf, share, halfPeriodMs, durationMs: 120_000 };
    const outcomes = run(name, (seed) => deafNodes({ ...base, seed }));
    const average = (pick: (outcome: DeafOutcome) => number): number => mean(outcomes.map(pick));
    return [
      ...[name, outcomes.length],
      average((outcome) => outcome.failuresOfDeaf),
      average((outcome) => outcome.returnsOfDeaf),
      average((outcome) => outcome.failuresOfHealthy),
      average((outcome) => mean(outcome.distinctSizes)),
      Math.min(...outcomes.map((outcome) => outcome.smallestSize)),
      Math.max(...outcomes.map((outcome) => outcome.changesOfDeaf)),
      Math.max(...outcomes.map((outcome) => outcome.changesOfHealthy)),
      average((outcome) => outcome.entries),
    ];
  });
  return {
    id: "S10",
    title: `nodes that hear nothing, N=${nodes}, ${deaf} deaf, 120 s, events at all nodes`,
    columns: [
      ...["fault", "runs", "deaf failed", "deaf back", "healthy failed"],
      ...["distinct sizes at once", "smallest size"],
      ...["inventory changes, worst deaf", "of healthy", "entries"],
    ],
    rows,
    verdicts: [
      {
        claim: "no healthy member failed",
        holds: rows.every((row) => row[4] === 0),
      },
      {
        claim: "at most two changes in the inventory for a deaf one, and none for a healthy one",
        holds: rows.every((row) => Number(row[7]) <= 2 && row[8] === 0),
      },
    ],
  };
};
