/**
 * A leader that gets little of its machine: it stands still, runs for a moment, and stands still again, and doubts
 * itself. What it tells the inventory must be true all the same, and must not have to wait until it is well.
 */
import { InventoryLeader } from "../inventory-leader.ts";
import { Simulation } from "../simulation.ts";

export interface StarvedOutcome {
  /** The leader's own health score, once a second. */
  readonly scores: readonly number[];
  /** Healthy members that the leader's gossip called failed. */
  readonly falselyFailed: number;
  readonly changesOfHealthy: number;
  /** From the death of some members until the inventory has them all; null: not in time. */
  readonly toldMs: number | null;
}

export function starvedLeader(options: {
  readonly nodes: number;
  readonly seed: number;
  /** Hosts that are lost after 30 s. */
  readonly dead: number;
  readonly how: "blocked" | "frozen";
  readonly stallMs: number;
  readonly runMs: number;
  readonly durationMs: number;
}): StarvedOutcome {
  const { nodes, seed, dead, how, stallMs, runMs, durationMs } = options;
  const sim = new Simulation({ nodes, seed });
  const leading = sim.node(nodes - 1);
  const leader = new InventoryLeader(sim, leading.ix);
  const scores: number[] = [];
  let falselyFailed = 0;
  sim.onEvent = (event) => {
    const { kind, member, node } = event;
    if (kind === "failed" && node === leading.ix && member >= dead) falselyFailed += 1;
    leader.hear(event);
  };
  const starve = (): void => {
    leading.stall(how, stallMs);
    sim.after(stallMs + runMs, starve);
  };
  const look = (): void => {
    scores.push(leading.core.health().score);
    sim.after(1000, look);
  };
  sim.runUntil(5000);
  starve();
  look();
  sim.runUntil(30_000);
  for (let ix = 0; ix < dead; ix += 1) sim.node(ix).stop("lost");
  const isTold = (): boolean =>
    sim.nodes.slice(0, dead).every(({ ix }) => leader.changes.has(sim.directory.id(ix)));
  const told = sim.runUntil(30_000 + durationMs, isTold) ? sim.now - 30_000 : null;
  sim.runUntil(30_000 + durationMs);
  let changesOfHealthy = 0;
  for (const [id, changes] of leader.changes) {
    if (sim.directory.find(id) >= dead) changesOfHealthy += changes;
  }
  return { scores, falselyFailed, changesOfHealthy, toldMs: dead === 0 ? null : told };
}
