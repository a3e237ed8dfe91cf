import { suite } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunResult } from "./scenario.ts";
import { leadersDieYoung, reconfiguration, sleepyLeaders, slowDisks } from "./profiles.ts";
import { type Profile } from "./profile.ts";

const it = suite("sim: raft");

function runAll(seeds: number, profile: Partial<Profile>): readonly RunResult[] {
  return Array.from({ length: seeds }, (_, i) => {
    const result = run({ seed: i + 1, profile });
    assert.is(result.violation, null, result.report);
    return result;
  });
}

const sum = (results: readonly RunResult[], of: (result: RunResult) => number): number =>
  results.reduce((total, result) => total + of(result), 0);

it("keeps every invariant and recovers under mixtures of faults drawn from 200 seeds", () => {
  const results = runAll(200, {});
  // A run that did nothing would prove nothing.
  assert.ok(sum(results, ({ commit }) => commit) > 50_000, "entries were committed");
  assert.ok(sum(results, ({ readsAnswered }) => readsAnswered) > 3_000, "reads were answered");
  assert.ok(sum(results, ({ changes }) => changes) > 300, "configurations changed");
});

it("keeps them when leaders die young and logs travel entry by entry", () => {
  assert.ok(sum(runAll(40, leadersDieYoung), ({ commit }) => commit) > 500);
});

it("keeps them when configurations change all the time and the network breaks meanwhile", () => {
  for (const [voters, nodes] of [
    [1, 3],
    [2, 3],
    [3, 4],
    [4, 4],
    [3, 5],
  ] as const) {
    const results = runAll(40, reconfiguration(voters, nodes));
    assert.ok(sum(results, ({ changes }) => changes) > 100);
  }
});

it("keeps them when processes stop, go on, and are asked at once", () => {
  assert.ok(sum(runAll(20, sleepyLeaders), ({ readsAnswered }) => readsAnswered) > 1000);
});

it("keeps them when disks are slow and followers fall behind the compacted log", () => {
  assert.ok(sum(runAll(40, slowDisks), ({ commit }) => commit) > 1000);
});

it("runs the same way twice from the same seed", () => {
  const lines = 1_000_000;
  const once = run({ seed: 7, chaosMs: 3000, traceLines: lines });
  const again = run({ seed: 7, chaosMs: 3000, traceLines: lines });
  assert.is(again.events, once.events);
  assert.is(again.commit, once.commit);
});

it.run();
