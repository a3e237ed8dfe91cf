import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Counters } from "../../../../src/gossip/core/counters.ts";
import { CoreHost } from "../../../../src/gossip/driver/core-host.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";
import { LoneCore } from "../core/lone-core.ts";

const it = suite("gossip: core host");

/** A host whose core has one deadline, which a test sets; tells when the core was asked to do something. */
function host(): { clock: VirtualClock; host: CoreHost; wait: (ms: number) => void; at: number[] } {
  const clock = new VirtualClock();
  let deadline = Infinity;
  const at: number[] = [];
  const core = {
    counters: new Counters(),
    nextDeadline: () => deadline,
    earlyMs: () => 0,
    step: (now: number) => {
      at.push(now);
      if (now >= deadline) deadline = Infinity;
    },
    answer: () => {
      throw new Error("nobody asks");
    },
  };
  const one = new CoreHost({
    core,
    clock,
    outbox: new LoneCore(),
    slowness: { factor: 1 },
    settled: () => {},
  });
  const wait = (ms: number): void => {
    deadline = clock.monotonicMs() + ms;
    one.post(null);
  };
  return { clock, host: one, wait, at };
}

it("wakes for the core's next deadline only, also when that is later than the one before", async () => {
  const { clock, host: one, wait, at } = host();
  wait(500);
  wait(900);
  await clock.advance(2000);
  assert.equal(at, [0, 0, 901]);
  wait(500);
  await clock.advance(100);
  wait(100);
  await clock.advance(2000);
  assert.equal(at.slice(3), [2000, 2100, 2201]);
  one.stop();
});

it("lets the core's next deadline be early by what the core allows", () => {
  const early: (number | undefined)[] = [];
  const clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    setTimer: (_ms: number, _callback: () => void, earlyMs?: number) => {
      early.push(earlyMs);
      return () => {};
    },
  };
  const core = {
    counters: new Counters(),
    nextDeadline: () => 1000,
    earlyMs: () => 300,
    step: () => {},
    answer: () => {
      throw new Error("nobody asks");
    },
  };
  const one = new CoreHost({
    core,
    clock,
    outbox: new LoneCore(),
    slowness: { factor: 1 },
    settled: () => {},
  });
  one.post(null);
  assert.equal(early, [300]);
  one.stop();
});

it("does not wake any more when nothing is to be done, or it was stopped", async () => {
  const { clock, host: one, wait, at } = host();
  wait(500);
  wait(Infinity);
  await clock.advance(2000);
  assert.equal(at, [0, 0]);
  wait(500);
  one.stop();
  await clock.advance(2000);
  assert.equal(at, [0, 0, 2000]);
});

it("leaves a timer that is overdue: how late it is says something about this host", async () => {
  const clock = new VirtualClock();
  let stalledMs = 0;
  let deadline = 100;
  const lags: number[] = [];
  const late = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs() + stalledMs,
    setTimer: (ms: number, callback: () => void) => clock.setTimer(ms, callback),
  };
  const core = {
    counters: new Counters(),
    nextDeadline: () => deadline,
    earlyMs: () => 0,
    step: (_now: number, inputs: readonly { readonly kind: string }[]) => {
      for (const input of inputs) if ("worstMs" in input) lags.push(Number(input.worstMs));
    },
    answer: () => {
      throw new Error("nobody asks");
    },
  };
  const one = new CoreHost({
    core,
    clock: late,
    outbox: new LoneCore(),
    slowness: { factor: 1 },
    settled: () => {},
  });
  one.post(null);
  stalledMs = 20_000;
  // An input is read before the timer runs, and moves the deadline.
  deadline = 60_000;
  one.post({ kind: "loopLag", worstMs: 0 });
  await clock.advance(200);
  assert.is(lags.length, 2);
  assert.ok((lags[1] ?? 0) >= 20_000, `told ${lags[1]}`);
  one.stop();
});

it("tells the core how slow its host is, when that has changed by much, and when it is over", () => {
  const told: unknown[] = [];
  const slowness = { factor: 1 };
  const core = {
    counters: new Counters(),
    nextDeadline: () => Infinity,
    earlyMs: () => 0,
    step: (_now: number, inputs: readonly unknown[]) => void told.push(...inputs),
    answer: () => {
      throw new Error("nobody asks");
    },
  };
  const clock = new VirtualClock();
  const one = new CoreHost({ core, clock, outbox: new LoneCore(), slowness, settled: () => {} });
  for (const factor of [1, 1.1, 3, 3.1, 8, 1.2, 1.01]) {
    slowness.factor = factor;
    one.post(null);
  }
  assert.equal(
    told,
    [3, 8, 1].map((factor) => ({ kind: "slowness", factor })),
  );
});

it.run();
