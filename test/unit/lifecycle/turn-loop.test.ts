import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../src/base/logger.ts";
import { TurnLoop } from "../../../src/lifecycle/turn-loop.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("lifecycle: turn loop");

function loopOf(clock: VirtualClock, turn: () => Promise<number | null>): TurnLoop {
  const options = { name: "test", gapMs: 10, retryMs: 500 };
  return new TurnLoop(options, { clock, logger: silentLogger, turn });
}

it("turns at start, then when it is due", async () => {
  const clock = new VirtualClock();
  const turns: number[] = [];
  const loop = loopOf(clock, () => {
    turns.push(clock.monotonicMs());
    return Promise.resolve(turns.length < 3 ? 100 : null);
  });
  loop.start();
  await clock.advance(1000);
  assert.equal(turns, [0, 100, 200]);
  await loop.stop();
});

it("many wakes make one turn, and a gap keeps turns apart", async () => {
  const clock = new VirtualClock();
  const turns: number[] = [];
  const loop = loopOf(clock, () => {
    turns.push(clock.monotonicMs());
    return Promise.resolve(null);
  });
  loop.start();
  for (let i = 0; i < 100; i += 1) loop.wake();
  await clock.advance(1);
  for (let i = 0; i < 100; i += 1) loop.wake();
  await clock.advance(100);
  assert.equal(turns, [0, 10]);
  await loop.stop();
});

it("a wake during a turn leads to one more, never to two at a time", async () => {
  const clock = new VirtualClock();
  let running = 0;
  let turns = 0;
  const gates: (() => void)[] = [];
  const loop = loopOf(clock, async () => {
    running += 1;
    turns += 1;
    assert.is(running, 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    gates.push(resolve);
    await promise;
    running -= 1;
    return null;
  });
  loop.start();
  await clock.advance(1);
  loop.wake();
  loop.wake();
  await clock.advance(100);
  assert.is(turns, 1);
  gates.shift()?.();
  await clock.advance(100);
  assert.is(turns, 2);
  gates.shift()?.();
  await clock.advance(100);
  assert.is(turns, 2);
  await loop.stop();
});

it("a turn that throws is tried again", async () => {
  const clock = new VirtualClock();
  let turns = 0;
  const loop = loopOf(clock, () => {
    turns += 1;
    return turns < 3 ? Promise.reject(new TypeError("broken")) : Promise.resolve(null);
  });
  loop.start();
  await clock.advance(5000);
  assert.is(turns, 3);
  await loop.stop();
});

it("stop waits for the turn and leaves no timer", async () => {
  const clock = new VirtualClock();
  let ended = false;
  const gate = Promise.withResolvers<void>();
  let turns = 0;
  const loop = loopOf(clock, async () => {
    turns += 1;
    await gate.promise;
    ended = true;
    return 10;
  });
  loop.start();
  await clock.advance(1);
  const stopped = loop.stop();
  gate.resolve();
  await stopped;
  assert.ok(ended);
  loop.wake();
  await clock.advance(1000);
  assert.is(turns, 1);
});

it.run();
