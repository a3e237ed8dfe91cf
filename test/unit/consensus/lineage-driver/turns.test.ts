/** What a turn waited for by its own will is not lateness; what its timers were late is. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Clock } from "../../../../src/base/clock.ts";
import { Nap } from "../../../../src/base/nap.ts";
import { Slowness } from "../../../../src/base/slowness.ts";
import { untilNextTurn } from "../../../../src/consensus/lineage-driver/turns.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("lineage driver: turns");
const forever = new AbortController().signal;

interface World {
  readonly time: VirtualClock;
  readonly nap: Nap;
  readonly slowness: Slowness;
  /** Takes so many turns, and returns when each came. */
  readonly turns: (count: number, isCalm: boolean) => Promise<readonly number[]>;
}

/** @param lateMs by how much each timer is late. */
function world(lateMs: number): World {
  const time = new VirtualClock();
  const nap = new Nap();
  const slowness = new Slowness();
  const clock: Clock = {
    monotonicMs: () => time.monotonicMs(),
    wallMs: () => time.wallMs(),
    setTimer: (delayMs, callback) => time.setTimer(delayMs + lateMs, callback),
  };
  const turns = async (count: number, isCalm: boolean): Promise<readonly number[]> => {
    const at: number[] = [];
    const all = async (): Promise<void> => {
      for (let i = 0; i < count; i += 1) {
        await untilNextTurn({ clock, nap, slowness }, isCalm, forever);
        at.push(clock.monotonicMs());
      }
    };
    let isOver = false;
    const done = all().finally(() => (isOver = true));
    while (!isOver) await time.advance(10);
    await done;
    return at;
  };
  return { time, nap, slowness, turns };
}

it("is not slow because it rests: calm or not, on a machine that keeps up", async () => {
  const { slowness, turns } = world(0);
  assert.equal(await turns(4, false), [250, 500, 750, 1000]);
  assert.equal(await turns(3, true), [2000, 3000, 4000]);
  assert.is(slowness.factor, 1);
});

it("is not slow because news wake it, however early", async () => {
  const { time, nap, slowness, turns } = world(0);
  const begun = turns(6, true);
  for (let i = 0; i < 30; i += 1) time.setTimer(i * 70, () => nap.wake());
  const at = await begun;
  assert.is(slowness.factor, 1);
  for (const [i, ms] of at.entries()) assert.ok(ms - (at[i - 1] ?? 0) >= 250, at.join());
});

it("is as slow as its timers are late, calm or not", async () => {
  for (const isCalm of [false, true]) {
    const { slowness, turns } = world(600);
    await turns(3, isCalm);
    assert.is(slowness.factor, 3, isCalm ? "calm" : "without a leader");
  }
});

it.run();
