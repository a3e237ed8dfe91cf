import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TickTimer } from "../../../../src/consensus/driver/tick-timer.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("consensus: tick timer");

function timer(calm: boolean): {
  clock: VirtualClock;
  ticks: TickTimer;
  told: number[];
  sum: () => number;
} {
  const clock = new VirtualClock();
  const told: number[] = [];
  const ticks = new TickTimer(50, {
    clock,
    ticksAhead: () => (calm ? 3 : 1),
    tick: (count) => told.push(count),
    late: () => {},
  });
  ticks.start();
  return { clock, ticks, told, sum: () => told.reduce((a, b) => a + b, 0) };
}

it("tells each tick, and while it is calm those of a heartbeat together", async () => {
  const busy = timer(false);
  await busy.clock.advance(300);
  assert.equal(busy.told, [1, 1, 1, 1, 1, 1]);
  const calm = timer(true);
  await calm.clock.advance(300);
  assert.equal(calm.told, [3, 3]);
});

it("is not put off by news, however often they come", async () => {
  for (const everyMs of [10, 40, 80]) {
    const { clock, ticks, sum } = timer(true);
    for (let ms = 0; ms < 6000; ms += everyMs) {
      await clock.advance(everyMs);
      ticks.soon();
    }
    assert.ok(sum() >= 70 && sum() <= 120, `${sum()} ticks in 6 s, news every ${everyMs} ms`);
  }
});

it("tells at the news what is due already, and the next tick in its own time", async () => {
  const { clock, ticks, told } = timer(true);
  await clock.advance(120);
  ticks.soon();
  await clock.advance(0);
  assert.equal(told, [2]);
  const early = timer(true);
  await early.clock.advance(20);
  early.ticks.soon();
  await early.clock.advance(29);
  assert.equal(early.told, []);
  await early.clock.advance(1);
  assert.equal(early.told, [1]);
});

it("tells what is due when the agent is awake anyway, and then wakes it that much later", async () => {
  const { clock, ticks, told, sum } = timer(true);
  for (let ms = 0; ms < 6000; ms += 120) {
    await clock.advance(120);
    ticks.awake(clock.monotonicMs());
  }
  assert.equal(told.length, 50, "the timer itself never fired");
  assert.equal(sum(), 120, "and no time was lost");
  await clock.advance(150);
  assert.equal(told.length, 51, "in silence it does");
});

it("tells no tick twice to who is often awake, and none late to who is not calm", async () => {
  const calm = timer(true);
  const busy = timer(false);
  for (let ms = 0; ms < 3000; ms += 1) {
    for (const { clock, ticks } of [calm, busy]) {
      await clock.advance(1);
      ticks.awake(clock.monotonicMs());
    }
  }
  for (const { told } of [calm, busy])
    assert.equal(
      told,
      Array.from({ length: 60 }, () => 1),
    );
});

it("does not make up for a time in which the process stood still", () => {
  let nowMs = 0;
  let due: () => void = () => {};
  const told: number[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: (_: number, callback: () => void) => {
      due = callback;
      return () => {};
    },
  };
  const parts = { clock, tick: (count: number) => told.push(count), late: () => {} };
  for (const calm of [false, true]) {
    new TickTimer(50, { ...parts, ticksAhead: () => (calm ? 3 : 1) }).start();
    nowMs += 30_000;
    due();
  }
  assert.equal(told, [1, 3]);
});

it("is silent when it was stopped", async () => {
  const { clock, ticks, told } = timer(true);
  ticks.stop();
  ticks.soon();
  await clock.advance(1000);
  assert.equal(told, []);
});

it.run();
