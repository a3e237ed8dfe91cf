/** S5: what an idle cluster costs, by size. */
import { type Experiment, mean } from "../report.ts";
import { Simulation } from "../simulation.ts";

export interface IdleLoad {
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly events: number;
  readonly degreeMax: number;
}

/** Per node, over `durationMs` after the cluster became calm. */
export function idleLoad(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly durationMs: number;
}): IdleLoad {
  const { nodes, seed, durationMs } = options;
  const sim = new Simulation({ nodes, seed });
  sim.runUntil(90_000);
  let events = 0;
  sim.onEvent = () => (events += 1);
  const frames = total(sim.framesSent);
  const bytes = total(sim.bytesSent);
  sim.runUntil(sim.now + durationMs);
  const seconds = durationMs / 1000;
  return {
    framesPerSecond: (total(sim.framesSent) - frames) / nodes / seconds,
    bytesPerSecond: (total(sim.bytesSent) - bytes) / nodes / seconds,
    events,
    degreeMax: Math.max(...sim.nodes.map((node) => node.wantCount)),
  };
}

export const s5: Experiment = ({ runs, full }) => {
  const sizes = full ? [8, 30, 100, 300, 1000, 3000] : [8, 30, 100];
  const rows = sizes.map((nodes) => {
    const loads = runs(`N=${nodes}`, (seed) => idleLoad({ nodes, seed, durationMs: 60_000 }));
    return [
      ...[nodes, loads.length],
      mean(loads.map((load) => load.framesPerSecond)),
      mean(loads.map((load) => load.bytesPerSecond)),
      Math.max(...loads.map((load) => load.degreeMax)),
    ];
  });
  const frames = rows.map((row) => Number(row[2]));
  return {
    id: "S5",
    title: "idle load per node and second (probe, ack, sync; payload bytes)",
    columns: ["N", "runs", "frames", "bytes", "degree"],
    rows,
    verdicts: [
      {
        claim: "2.0 to 2.2 frames per second, at any N",
        holds: frames.every((value) => value >= 1.9 && value <= 2.2),
      },
      { claim: "at most 20 connections", holds: rows.every((row) => Number(row[4]) <= 20) },
    ],
  };
};

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
