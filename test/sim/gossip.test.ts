/** The small grid of the simulator: seconds instead of hours, the same code as `test/sim/gossip/run.ts`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { localOptions } from "../../src/gossip/options.ts";
import { Status } from "../../src/gossip/core/types.ts";
import { convergence, serfFormulaMs } from "./gossip/experiments/convergence.ts";
import { deafNodes } from "./gossip/experiments/deafness.ts";
import { starvedLeader } from "./gossip/experiments/starvation.ts";
import { detections, lossFaults } from "./gossip/experiments/detection.ts";
import { massCrash, partition, statusesEverywhere } from "./gossip/experiments/faults.ts";
import { bootstrap, churn } from "./gossip/experiments/growth.ts";
import { anomalies, lifeguardVariants } from "./gossip/experiments/lifeguard.ts";
import { moving, telling } from "./gossip/experiments/telling.ts";
import { eventfulRun, fuzz, lateGoodbye, reboot, rebootCases } from "./gossip/experiments/lives.ts";
import { idleLoad } from "./gossip/experiments/load.ts";
import { quantile } from "./gossip/report.ts";
import { Simulation } from "./gossip/simulation.ts";

const it = suite("sim/gossip");

for (const nodes of [100, 300]) {
  for (const loss of [0, 0.25]) {
    it(`S1 one change reaches ${nodes} members within Serf's formula at ${loss * 100} % loss`, () => {
      const { times } = convergence({ nodes, loss, seed: 1, selector: "ring" });
      assert.is(times.length, nodes - 1);
      const slowest = quantile(times, 0.9999);
      assert.ok(slowest <= serfFormulaMs(nodes, loss), `took ${slowest} ms`);
    });
  }
}

it("S2 Lifeguard holds healthy members for alive where SWIM does not", () => {
  const run = { seed: 1, concurrent: 32, blockedMs: 16_384, freeMs: 64, durationMs: 60_000 };
  const base = { ...run, nodes: 64 };
  const swim = anomalies({
    ...base,
    protocol: { lifeguard: lifeguardVariants.SWIM, suspicionMult: 5 },
  });
  const lifeguard = anomalies({ ...base, protocol: { suspicionMult: 5, confirmations: 3 } });
  assert.ok(swim.falsePositives > 50, `SWIM had only ${swim.falsePositives}`);
  assert.ok(lifeguard.falsePositives <= 0.02 * swim.falsePositives);
  assert.is(lifeguard.atHealthy, 0);
});

it("S2 a frozen process (SIGSTOP) makes no healthy member fail", () => {
  const outcome = anomalies({
    ...{ seed: 2, concurrent: 16, blockedMs: 8192, freeMs: 1024, durationMs: 60_000 },
    ...{ nodes: 64, mode: "frozen", protocol: { selector: "ring" } },
  });
  assert.is(outcome.falsePositives, 0);
});

it("S3 a lost host is failed everywhere as fast as the suspicion timer allows", () => {
  const { full, falsePositives } = detections({ nodes: 128, seed: 3, crashes: 5, how: "lost" });
  const median = quantile(full, 0.5);
  // α · log10(128) · 1 s = 8.4 s of suspicion, after 1 to 4 s until the first probe failed.
  assert.ok(median >= 8400 && median <= 12_500, `took ${median} ms`);
  assert.is(falsePositives, 0);
});

it("S3 a killed process is failed everywhere in about a second", () => {
  const { full, falsePositives } = detections({ nodes: 128, seed: 3, crashes: 5, how: "killed" });
  assert.ok(quantile(full, 1) <= 1500, `took ${quantile(full, 1)} ms`);
  assert.is(falsePositives, 0);
});

it("S5 an idle member sends two frames per second to at most twenty neighbours", () => {
  const load = idleLoad({ nodes: 100, seed: 1, durationMs: 60_000 });
  assert.ok(load.framesPerSecond >= 1.9 && load.framesPerSecond <= 2.2);
  assert.ok(load.degreeMax <= 20);
  assert.is(load.events, 0);
});

it("S6 five percent loss fails nobody", () => {
  const run = { nodes: 60, seed: 1, loss: 0.05, durationMs: 60_000, selector: "ring" } as const;
  assert.is(lossFaults(run).failures, 0);
});

it("S7 a hundred members started within a second all see each other within five", () => {
  assert.ok(bootstrap(100, 1).completeMs <= 5000);
});

it("S6 with streams and datagrams behind them a lossy network makes nobody suspect another", () => {
  const run = { nodes: 50, seed: 1, durationMs: 60_000, selector: "ring" } as const;
  const lost = lossFaults({ ...run, loss: 0.1 });
  const repeated = lossFaults({ ...run, loss: 0.1, datagrams: "fallback" });
  assert.ok(lost.accusations > 0, "frames that are lost for good are not made up for");
  assert.equal(repeated, { accusations: 0, suspicions: 0, failures: 0 });
});

it("S8 half of the hosts are lost at once: the others all know within 40 s, and fail nobody else", () => {
  const { allMs, falsePositives } = massCrash({ nodes: 100, seed: 1, share: 0.5 });
  assert.ok(allMs <= 40_000, `took ${allMs} ms`);
  assert.is(falsePositives, 0);
});

it("S9 both sides of a partition fail each other, and are one again within 35 s of the heal", () => {
  const { splitMs, healMs } = partition({ nodes: 40, seed: 1, smaller: 20, durationMs: 90_000 });
  assert.ok(splitMs < 90_000, "the sides never gave each other up");
  assert.ok(healMs <= 35_000, `took ${healMs} ms`);
});

it("S10 members that hear nothing fail no healthy member", () => {
  const run = { nodes: 100, seed: 1, deaf: 3, share: 0.8, halfPeriodMs: 1e9, durationMs: 60_000 };
  const { failuresOfHealthy, changesOfDeaf, changesOfHealthy } = deafNodes(run);
  assert.is(failuresOfHealthy, 0);
  assert.is(changesOfHealthy, 0);
  assert.ok(changesOfDeaf <= 2, `${changesOfDeaf} changes`);
});

it("S10 the inventory follows a member that comes and goes with at most two changes", () => {
  const base = { nodes: 60, seed: 1, deaf: 2, share: 1, halfPeriodMs: 20_000 };
  const { failuresOfDeaf, changesOfDeaf } = deafNodes({ ...base, durationMs: 120_000 });
  assert.ok(failuresOfDeaf > 100, "the fault is seen");
  assert.ok(changesOfDeaf >= 1 && changesOfDeaf <= 2, `${changesOfDeaf} changes`);
});

it("a leader that starves tells the inventory of lost hosts as soon as others agree, and of nobody else", () => {
  const starved = { nodes: 20, how: "blocked", stallMs: 8000, runMs: 300 } as const;
  const { scores, toldMs, changesOfHealthy } = starvedLeader({
    ...starved,
    ...{ seed: 5, dead: 4, durationMs: 60_000 },
  });
  const unwell = scores.filter((score) => score >= 4).length;
  assert.ok(unwell > scores.length / 2, "its own health would hold the news back");
  assert.ok(toldMs !== null && toldMs < 30_000, `told after ${toldMs} ms`);
  assert.is(changesOfHealthy, 0);
});

it("S10 a one-way cut between two neighbours fails neither", () => {
  const sim = new Simulation({ nodes: 30, seed: 4 });
  sim.runUntil(3000);
  sim.network.blockOneWay(0, 1, true);
  let failures = 0;
  sim.onEvent = ({ kind }) => {
    if (kind === "failed") failures += 1;
  };
  sim.runUntil(60_000);
  assert.is(failures, 0);
});

it("S11 under churn a view is wrong in less than two percent of its entries", () => {
  const { errors } = churn({ nodes: 60, seed: 1, perMinute: 0.05, durationMs: 60_000 });
  assert.ok(quantile(errors, 0.99) < 0.02);
});

for (const [name, incarnationAtBoot] of Object.entries(rebootCases)) {
  it(`S13 a killed agent is back everywhere within 2 s: ${name}`, () => {
    const { backMs, incarnationBefore, incarnationAfter } = reboot({
      ...{ nodes: 40, seed: 1, incarnationAtBoot },
    });
    assert.ok(backMs <= 2000, `took ${backMs} ms`);
    assert.ok(incarnationAfter > incarnationBefore);
  });
}

it("S14 the same seed gives the same events, other seeds others", () => {
  assert.is(eventfulRun(1), eventfulRun(1));
  assert.is.not(eventfulRun(1), eventfulRun(2));
});

it("S14 frames as bytes or as objects make no difference", () => {
  assert.is(eventfulRun(3, true), eventfulRun(3, false));
});

it("S15 damaged, replayed and invented frames break no invariant", () => {
  const { decoded, refused } = fuzz(1, 10_000);
  assert.ok(decoded > 5000 && refused > 500);
});

it("S16 a good-bye from before the return is not passed on (the loop of serf's leave intents)", () => {
  assert.equal(lateGoodbye(40, 1), { passedOn: 0, backAlive: true });
});

it("S16 each user event reaches everybody once, through loss and a cut, and none goes round", () => {
  const { mostSent, limit, ...outcome } = telling({ nodes: 20, seed: 1, loss: 0.1 });
  assert.equal(outcome, { missed: 0, repeated: 0, toldToNewcomer: 0 });
  assert.ok(mostSent > 0 && mostSent <= limit, `${mostSent} of ${limit}`);
});

it("S13 a new address is known everywhere within 2 s, without a restart", () => {
  assert.ok(moving(50, 1) <= 2000);
});

it("a good-bye is known everywhere within 1.5 s, and nobody fails the one who left", () => {
  const sim = new Simulation({ nodes: 100, seed: 1 });
  sim.runUntil(5000);
  const kinds = new Set<string>();
  sim.onEvent = ({ kind, member }) => {
    if (member === 7) kinds.add(kind);
  };
  sim.node(7).post({ kind: "leave" });
  const left = (): boolean => sim.up.every(({ core }) => core.table.status(7) === Status.left);
  while (!left() && sim.now < 10_000) sim.runUntil(sim.now + 10);
  assert.ok(sim.now <= 6500, `took ${sim.now - 5000} ms`);
  sim.runUntil(8000);
  sim.node(7).stop("killed");
  sim.runUntil(40_000);
  assert.equal([...kinds], ["left"]);
});

it("one who is wrongly accused refutes, and stays", () => {
  const sim = new Simulation({ nodes: 50, seed: 1 });
  sim.runUntil(5000);
  const incarnation = sim.node(9).core.incarnation;
  let failed = 0;
  sim.onEvent = ({ kind }) => {
    if (kind === "failed") failed += 1;
  };
  const lie = { kind: "suspect", member: 9, incarnation, from: 3, refused: false } as const;
  sim.node(0).post({ kind: "frame", lane: "stream", from: 3, frame: [lie] });
  sim.runUntil(30_000);
  assert.is(failed, 0);
  assert.is(sim.node(9).core.incarnation, incarnation + 1);
  assert.ok(statusesEverywhere(sim, () => Status.alive));
});

it("the preset for one machine detects a lost host within two seconds", () => {
  const protocol = localOptions;
  const { full } = detections({ nodes: 10, seed: 1, crashes: 3, how: "lost", protocol });
  assert.ok(quantile(full, 1) <= 2000, `took ${quantile(full, 1)} ms`);
});

it.run();
