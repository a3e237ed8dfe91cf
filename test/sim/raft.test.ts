import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadTwin } from "./mutant-loader.ts";
import { play, playAll, sum } from "./played.ts";

const it = suite("sim: raft");

it("keeps every promise under mixtures of all faults, and recovers", async () => {
  const results = await playAll("safety", 1, 340);
  const struck = new Set(results.flatMap((result) => [...result.struck.keys()]));
  // A run that did nothing would prove nothing.
  assert.is(struck.size, 16, `every kind of fault happened: ${[...struck].join(" ")}`);
  assert.ok(sum(results, ({ commit }) => commit) > 50 * results.length, "entries were committed");
  assert.ok(
    sum(results, ({ answered }) => answered) > 50 * results.length,
    "clients were answered",
  );
  assert.ok(sum(results, ({ changes }) => changes) > results.length / 4, "configurations changed");
  assert.ok(sum(results, ({ judged }) => (judged ? 1 : 0)) > 0.9 * results.length, "judged");
});

it("runs the same way again from the same seed, whatever ran between", async () => {
  const once = await play({ seed: 7, chaosMs: 10_000 });
  const other = await play({ seed: 8, chaosMs: 3000 });
  const again = await play({ seed: 7, chaosMs: 10_000 });
  assert.is(again.hash, once.hash);
  assert.is(again.events, once.events);
  assert.is.not(other.hash, once.hash);
  const production = await loadTwin("the same", [], 500);
  assert.is((await play({ seed: 7, chaosMs: 10_000, production })).hash, once.hash);
});

it.run();
