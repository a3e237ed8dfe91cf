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
  const ticks = new TickTimer(
    { tickMs: 50, ticksWhenCalm: 3 },
    { clock, isCalm: () => calm, tick: (count) => told.push(count), late: () => {} },
  );
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
    new TickTimer({ tickMs: 50, ticksWhenCalm: 3 }, { ...parts, isCalm: () => calm }).start();
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
