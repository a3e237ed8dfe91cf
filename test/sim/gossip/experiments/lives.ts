/** S13 to S16: reboots, determinism, damaged input, and good-byes that come too late. */
import { seededRandom } from "../../../../src/base/random.ts";
import { type Message, type SignedRecord, Status } from "../../../../src/gossip/core/types.ts";
import { decodeFrame, encodeFrame } from "../../../../src/gossip/wire/frame-codec.ts";
import { type Experiment, quantile } from "../report.ts";
import { Simulation } from "../simulation.ts";
import { moving, telling } from "./telling.ts";

export interface RebootOutcome {
  readonly backMs: number;
  readonly incarnationBefore: number;
  readonly incarnationAfter: number;
}

/** A process dies, is failed, and returns with the incarnation that `incarnationAtBoot` chooses. */
export function reboot(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly incarnationAtBoot: (sim: Simulation, before: number) => number;
}): RebootOutcome {
  const { nodes, seed, incarnationAtBoot } = options;
  const sim = new Simulation({ nodes, seed });
  sim.runUntil(5000);
  const victim = sim.node(1);
  victim.post({ kind: "describe", change: { tags: { generation: "1" } } });
  sim.runUntil(6000);
  const incarnationBefore = victim.core.incarnation;
  victim.stop("killed");
  sim.runUntil(12_000);
  const begun = sim.now;
  victim.start({
    incarnation: incarnationAtBoot(sim, incarnationBefore),
    address: "10.9.9.9:7946",
  });
  victim.post({ kind: "contact", peers: [2, 3, 4] });
  const back = (): boolean =>
    sim.up.every((node) => {
      const { table } = node.core;
      return table.status(1) === Status.alive && table.record(1)?.body.address === "10.9.9.9:7946";
    });
  while (!back() && sim.now < begun + 60_000) sim.runUntil(sim.now + 20);
  const backMs = back() ? sim.now - begun : Infinity;
  return { backMs, incarnationBefore, incarnationAfter: victim.core.incarnation };
}

export const rebootCases = {
  "no snapshot": (sim: Simulation) => sim.clockIncarnation,
  snapshot: (_: Simulation, before: number) => before + 1,
  "no snapshot, clock a day back": (sim: Simulation) => sim.clockIncarnation - 86_400,
} as const;

export const s13: Experiment = ({ runs: run, full }) => {
  const nodes = full ? 300 : 50;
  const rows = Object.entries(rebootCases).map(([name, incarnationAtBoot]) => {
    const runs = run(name, (seed) => reboot({ nodes, seed, incarnationAtBoot }));
    const grew = runs.every((run) => run.incarnationAfter > run.incarnationBefore);
    const times = runs.map((run) => run.backMs / 1000);
    return [name, runs.length, quantile(times, 0.5), Math.max(...times), grew ? "yes" : "NO"];
  });
  const name = "new address without a restart";
  const moved = run(name, (seed) => moving(nodes, seed) / 1000);
  rows.push([name, moved.length, quantile(moved, 0.5), Math.max(...moved), "yes"]);
  return {
    id: "S13",
    title: `a killed agent returns at another address, N=${nodes}`,
    columns: ["case", "runs", "alive everywhere s, median", "worst", "incarnation grew"],
    rows,
    verdicts: [
      { claim: "back within 2 s", holds: rows.every((row) => Number(row[3]) <= 2) },
      { claim: "incarnation grew", holds: rows.every((row) => row[4] === "yes") },
    ],
  };
};

/** Hash of all events of an eventful run. */
export function eventfulRun(seed: number, codec = false): number {
  const sim = new Simulation({ nodes: 60, seed, codec, network: { loss: 0.1 } });
  sim.after(5000, () => sim.node(3).stop("killed"));
  sim.after(6000, () => sim.node(4).stop("lost"));
  sim.after(8000, () => sim.node(5).post({ kind: "leave" }));
  sim.after(9000, () => sim.network.partition((ix) => ix % 3));
  sim.after(25_000, () => sim.network.partition(null));
  sim.after(26_000, () => {
    sim.node(3).start();
    sim.node(3).post({ kind: "contact", peers: [0] });
  });
  sim.runUntil(60_000);
  return sim.logHash;
}

export const s14: Experiment = ({ runs }) => {
  const rows = runs("", (seed) => [seed, eventfulRun(seed), eventfulRun(seed)]);
  return {
    id: "S14",
    title: "the same seed gives the same events",
    columns: ["seed", "first run", "second run"],
    rows,
    verdicts: [{ claim: "equal hashes", holds: rows.every((row) => row[1] === row[2]) }],
  };
};

/** Feeds one core damaged, replayed and invented frames; its invariants are asserted inside. */
export function fuzz(seed: number, steps: number): { decoded: number; refused: number } {
  const sim = new Simulation({ nodes: 30, seed });
  const random = seededRandom(seed + 1);
  const victim = sim.node(0);
  const seen: Uint8Array[] = [];
  const outcome = { decoded: 0, refused: 0 };
  let own = victim.core.incarnation;
  for (let step = 0; step < steps; step += 1) {
    const bytes = encodeFrame(sim.directory, [inventedMessage(sim, random.below)]);
    seen[random.below(64)] = bytes;
    const source = random.float() < 0.3 ? seen[random.below(seen.length)] : bytes;
    const damaged = Uint8Array.from(source ?? bytes);
    if (random.float() < 0.5) damaged[random.below(damaged.length)] = random.below(256);
    const frame = decodeFrame(sim.directory, damaged);
    if (frame === null) outcome.refused += 1;
    else {
      outcome.decoded += 1;
      victim.post({ kind: "frame", lane: "stream", from: 1 + random.below(29), frame });
    }
    if (step % 100 === 0) sim.runUntil(sim.now + random.float() * 2000);
    const { core } = victim;
    if (core.incarnation < own) throw new Error("own incarnation decreased");
    own = core.incarnation;
    if (core.table.status(0) === Status.suspect) throw new Error("an agent suspects itself");
    if (core.health().queue > 512 + 60) throw new Error("the queue grew beyond its limit");
  }
  return outcome;
}

function inventedMessage(sim: Simulation, below: (bound: number) => number): Message {
  const member = below(30);
  const seq = below(1000);
  const known = sim.node(0).core.table.incarnation(member);
  const incarnation = Math.max(0, known - 1 + below(3));
  const from = 1 + below(29);
  switch (below(8)) {
    case 0:
      return { kind: "ping", seq, target: member };
    case 1:
      return { kind: "ack", seq };
    case 2:
      return { kind: "pingRequest", seq, target: member };
    case 3:
      return { kind: "nack", seq };
    case 4:
      return { kind: "suspect", member, incarnation, from, refused: below(2) === 0 };
    case 5:
      return { kind: "failed", member, incarnation, from, refused: false };
    case 6: {
      const origin = sim.firstRecord(member).id;
      const ltime = 1 + Math.max(0, sim.node(0).core.eventClock - 2 + below(4));
      const event = { ltime, origin, name: `e${below(5)}`, payload: new Uint8Array(below(30)) };
      return { kind: "event", event: sim.sealEvent(event) };
    }
    default:
      return { kind: "alive", record: inventedRecord(sim, member, incarnation + below(3)) };
  }
}

function inventedRecord(sim: Simulation, member: number, incarnation: number): SignedRecord {
  const leaving = incarnation % 5 === 0;
  const bootId = (incarnation % 7).toString(16).padStart(32, "0");
  return sim.seal(sim.firstRecord(member, { incarnation, leaving, bootId }));
}

export const s15: Experiment = ({ runs, full }) => {
  // 10⁷ inputs with the twenty seeds of the whole grid.
  const steps = full ? 500_000 : 20_000;
  const rows = runs("", (seed) => {
    const { decoded, refused } = fuzz(seed, steps);
    return [seed, steps, decoded, refused];
  });
  return {
    id: "S15",
    title: "damaged and invented frames",
    columns: ["seed", "steps", "decoded", "refused"],
    rows,
    verdicts: [{ claim: "no invariant broke", holds: true }],
  };
};

/** An old good-bye is replayed after its author returned; counts how often it is passed on. */
export function lateGoodbye(nodes: number, seed: number): { passedOn: number; backAlive: boolean } {
  const sim = new Simulation({ nodes, seed });
  sim.runUntil(5000);
  const leaver = sim.node(1);
  leaver.post({ kind: "leave" });
  sim.runUntil(8000);
  const goodbye = sim.node(0).core.table.record(1);
  if (goodbye?.body.leaving !== true) throw new Error("the good-bye did not arrive");
  leaver.stop("killed");
  sim.runUntil(10_000);
  leaver.start({ incarnation: goodbye.body.incarnation + 1 });
  leaver.post({ kind: "contact", peers: [2] });
  sim.runUntil(15_000);
  let passedOn = 0;
  sim.onFrame = (frame) => {
    passedOn += frame.filter((m) => m.kind === "alive" && m.record === goodbye).length;
  };
  sim
    .node(0)
    .post({ kind: "frame", lane: "stream", from: 2, frame: [{ kind: "alive", record: goodbye }] });
  sim.runUntil(20_000);
  const backAlive = sim.up.every((node) => node.core.table.status(1) === Status.alive);
  return { passedOn, backAlive };
}

export const s16: Experiment = ({ runs, full }) => {
  const nodes = full ? 100 : 30;
  const outcomes = runs("", (seed) => ({
    seed,
    ...lateGoodbye(50, seed),
    ...telling({ nodes, seed, loss: 0.1 }),
  }));
  return {
    id: "S16",
    title: `an old good-bye arrives after the return; 20 user events, N=${nodes}, 10 % loss, a cut of 5 s`,
    columns: [
      "seed",
      "passed on",
      "still alive",
      "missed",
      "repeated",
      "most sent",
      "limit",
      "old told",
    ],
    rows: outcomes.map((row) => [
      ...[row.seed, row.passedOn, row.backAlive ? "yes" : "NO"],
      ...[row.missed, row.repeated, row.mostSent, row.limit, row.toldToNewcomer],
    ]),
    verdicts: [
      {
        claim: "the good-bye is never passed on",
        holds: outcomes.every((row) => row.passedOn === 0 && row.backAlive),
      },
      {
        claim: "each event once at everybody, passed on no more often than a rumour may be",
        holds: outcomes.every(
          (row) => row.missed + row.repeated === 0 && row.mostSent <= row.limit,
        ),
      },
      {
        claim: "no newcomer hears old events",
        holds: outcomes.every((r) => r.toldToNewcomer === 0),
      },
    ],
  };
};
