import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Slowness } from "../../../src/base/slowness.ts";

const it = suite("base/slowness");

function after(...lateMs: readonly number[]): number {
  const slowness = new Slowness();
  for (const ms of lateMs) slowness.late(ms);
  return slowness.factor;
}

it("is none where turns are in time, or as late as anywhere", () => {
  assert.is(after(), 1);
  assert.is(after(0, 5, -1, 90, 100), 1);
});

it("grows with the lateness, up to a limit", () => {
  assert.is(after(600, 600), 3);
  assert.is(after(60_000, 60_000), 8);
});

it("is not told by one stall: a machine that was stopped once is not slow", () => {
  assert.is(after(0, 30_000), 1);
  assert.is(after(30_000, 0, 30_000, 0), 1);
});

it("is told by waiting for a processor as well, however little the turns are late", () => {
  const waiting = (...shares: readonly (number | null)[]): number => {
    const left = [...shares];
    const slowness = new Slowness({ take: () => left.shift() ?? null });
    for (const _ of shares) slowness.late(0);
    return slowness.factor;
  };
  assert.is(waiting(0.2, 0.2), 1, "as on any machine that has work");
  assert.is(waiting(0.75, 0.75), 4);
  assert.is(waiting(1, 0.99), 8);
  assert.is(waiting(0.75, null, 0.75), 4, "where it cannot be told yet, what is known stays");
  assert.is(waiting(0, 0.9), 1, "once is not slow");
  assert.ok(waiting(0.75, 0.75, 0, 0, 0) < 2.1);
});

it("fades when turns are in time again", () => {
  const slow = [5_000, 5_000];
  assert.ok(after(...slow, 0) < after(...slow));
  assert.ok(after(...slow, ...Array.from({ length: 20 }, () => 0)) < 1.01);
});

it.run();
