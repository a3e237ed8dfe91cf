/** Who asks whom when there are many: in one period everybody, and nobody is asked by all at once. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import {
  defaultTimings,
  scaledTimings,
} from "../../../../src/consensus/lineage/coordinator-timings.ts";
import { nextInTurn, SurveyRounds } from "../../../../src/consensus/lineage/survey-rounds.ts";

const it = suite("lineage: survey rounds");
const admitted = Array.from({ length: 1200 }, (_, n) => `n${String(n).padStart(4, "0")}`);
const voters = admitted.filter((_, n) => n % 240 === 7);
const standbys = admitted.filter((_, n) => n % 240 === 19);
const facts = { configuration: { ...simpleConfiguration(voters), standbys }, slowness: 1 };
const tickMs = 250;

/** Tick by tick, whom `self` asks in the first `ticks`. */
function asks(self: NodeId, ticks: number, all = admitted): readonly (readonly NodeId[])[] {
  const rounds = new SurveyRounds();
  const others = all.filter((id) => id !== self);
  const { surveyMs } = scaledTimings(defaultTimings, { ...facts, admitted: all });
  return Array.from({ length: ticks }, (_, tick) => {
    rounds.begins(tick * tickMs, surveyMs, others);
    return rounds.next(self, facts);
  });
}

it("asks everybody once in a period, a few at a time", () => {
  const { surveyMs } = scaledTimings(defaultTimings, { ...facts, admitted });
  const asked = asks("n0600", surveyMs / tickMs);
  assert.ok(asked.every((ids) => ids.length <= 8));
  const all = asked.flat();
  assert.is(all.length, admitted.length - 1);
  assert.is(new Set(all).size, all.length);
  assert.ok(
    asked.slice(-20).every((ids) => ids.length === 0),
    "the last has had time to answer",
  );
});

it("asks the others with a place first when it has one itself", () => {
  const [self = ""] = voters;
  const [first = []] = asks(self, 1);
  const mates = [...voters, ...standbys].filter((id) => id !== self);
  assert.equal(first.slice(0, mates.length).sort(), mates.sort());
  assert.is(first.length, mates.length + 8);
});

it("nobody is asked by many in one tick, and two ask each other in about the same one", () => {
  const few = admitted.slice(0, 300);
  const at = new Map<string, number>();
  const load = new Map<string, number>();
  for (const self of few) {
    for (const [tick, ids] of asks(self, 40, few).entries()) {
      for (const id of ids) {
        at.set(`${self} ${id}`, tick);
        load.set(`${id} ${tick}`, (load.get(`${id} ${tick}`) ?? 0) + 1);
      }
    }
  }
  const most = [...load.values()].reduce((a, b) => Math.max(a, b));
  assert.ok(most <= 16, `one is asked by ${most} in one tick`);
  let apart = 0;
  for (const [pair, tick] of at) {
    const back = at.get(pair.split(" ").reverse().join(" ")) ?? Infinity;
    if (Math.abs(back - tick) > 2) apart += 1;
  }
  assert.ok(apart < at.size / 50, `${apart} of ${at.size} pairs`);
});

it("asks all at once when they are few", () => {
  const few = ["a", "b", "c"];
  assert.equal(nextInTurn("x", few, { configuration: simpleConfiguration(["a", "x"]) }), few);
});

it("begins no round before the one before it is through, and anew after a change", () => {
  const rounds = new SurveyRounds();
  const others = admitted.slice(0, 30);
  assert.is(rounds.begins(0, 1000, others), "first");
  assert.is(rounds.begins(999, 1000, others), null);
  const asked = [...rounds.next("z", facts)];
  assert.is(rounds.begins(1000, 1000, others), "again");
  for (let i = 0; i < 3; i += 1) asked.push(...rounds.next("z", facts));
  assert.equal(asked.sort(), others);
  rounds.restart();
  assert.equal(rounds.next("z", facts), []);
  assert.is(rounds.begins(1001, 1000, others), "first");
});

it("asks less often on a slow machine, but not so seldom that others hold it for silent", () => {
  const fast = scaledTimings(defaultTimings, { ...facts, admitted: ["a", "b"] });
  for (const size of [2, 1200]) {
    const all = {
      ...facts,
      configuration: simpleConfiguration(["a"]),
      admitted: admitted.slice(0, size),
    };
    const one = scaledTimings(defaultTimings, all);
    const slow = scaledTimings(defaultTimings, { ...all, slowness: 8 });
    assert.is(slow.surveyMs, 2 * one.surveyMs);
    assert.ok(slow.surveyMs + 2 * fast.surveyMs <= one.freshMs, "as fast ones see it");
  }
});

it("takes what others say for fresh, and waits for them, as many times longer as its machine is slow", () => {
  const one = scaledTimings(defaultTimings, { ...facts, admitted });
  const slow = scaledTimings(defaultTimings, { ...facts, admitted, slowness: 4 });
  assert.is(slow.anxiousHelloMs, 4 * one.anxiousHelloMs);
  assert.is(slow.freshMs - one.freshMs, 9 * one.surveyMs);
  assert.is(slow.roundMs - one.roundMs, 3 * one.surveyMs);
  assert.is(slow.quorumLossMs, one.quorumLossMs);
});

it.run();
