/** A nap ends by time, by news, or by the end of the service. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { untilBeat } from "../../../src/base/clock.ts";
import { Nap } from "../../../src/base/nap.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("base/nap");
const forever = new AbortController().signal;

it("ends when its time is over, or when it is woken", async () => {
  const clock = new VirtualClock();
  const nap = new Nap();
  const ends: number[] = [];
  const first = nap.take(clock, 100, forever).then(() => ends.push(clock.monotonicMs()));
  await clock.advance(100);
  await first;
  const second = nap.take(clock, 100, forever).then(() => ends.push(clock.monotonicMs()));
  await clock.advance(30);
  nap.wake();
  await second;
  assert.equal(ends, [100, 130]);
});

it("is not ended by news from before it", async () => {
  const clock = new VirtualClock();
  const nap = new Nap();
  nap.wake();
  let over = false;
  const taken = nap.take(clock, 100, forever).then(() => (over = true));
  await clock.advance(99);
  assert.not(over);
  await clock.advance(1);
  await taken;
});

it("has a beat that all share, and that an early timer does not double", async () => {
  const clock = new VirtualClock();
  const begin = clock.monotonicMs() % 2000;
  await clock.advance(begin === 0 ? 0 : 2000 - begin);
  const ms = (periodMs: number): number => untilBeat(clock, periodMs).ms;
  assert.is(ms(2000), 2000);
  await clock.advance(500);
  assert.equal([ms(1000), ms(2000)], [500, 1500]);
  await clock.advance(498);
  assert.equal([ms(1000), ms(2000)], [1002, 1002]);
  await clock.advance(800);
  assert.equal([ms(1000), ms(2000)], [1202, 2202]);
});

it("ends a beat early only by so much that the next one is a whole period later", () => {
  const clock = new VirtualClock();
  for (const periodMs of [250, 500, 1000, 2000, 10_000]) {
    const { ms, earlyMs } = untilBeat(clock, periodMs);
    assert.ok(earlyMs > 0 && earlyMs <= 350, `${earlyMs} ms early`);
    const early = {
      ...clock,
      monotonicMs: () => ms - earlyMs,
      wallMs: () => 0,
      setTimer: () => () => undefined,
    };
    assert.is(untilBeat(early, periodMs).ms, periodMs + earlyMs);
  }
});

it("ends with the reason of its signal", async () => {
  const stop = new AbortController();
  const taken = new Nap().take(new VirtualClock(), 100, stop.signal).catch((e: unknown) => e);
  stop.abort(new Error("stopped"));
  assert.match(String(await taken), /stopped/);
});

it.run();
