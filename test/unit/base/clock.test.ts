/** Timers of the real clock that may be early: with what wakes the process, and never without. */
import { MessageChannel } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { delay, systemClock } from "../../../src/base/clock.ts";

const it = suite("base/clock");

it("runs an early timer with the first other thing that wakes the process within its time", async () => {
  const begun = systemClock.monotonicMs();
  const ran: number[] = [];
  systemClock.setTimer(20_000, () => ran.push(systemClock.monotonicMs() - begun), 19_900);
  // Woken before its time, too.
  while (ran.length === 0) await delay(systemClock, 20);
  assert.is(ran.length, 1);
  assert.ok((ran[0] ?? 0) >= 100 && (ran[0] ?? 0) < 20_000, `after ${ran[0]} ms`);
});

it("runs an early timer at its end when nothing else wakes the process", async () => {
  const begun = systemClock.monotonicMs();
  await delay(systemClock, { ms: 60, earlyMs: 10 });
  assert.ok(systemClock.monotonicMs() - begun >= 49);
});

it("runs early timers once, and not when they were cancelled, also from within another", async () => {
  const ran: string[] = [];
  const cancelB = systemClock.setTimer(10_000, () => ran.push("b"), 9_999);
  const cancelA = systemClock.setTimer(10_000, () => ran.push("a"), 9_999);
  cancelA();
  cancelA();
  systemClock.setTimer(
    30,
    () => {
      ran.push("c");
      cancelB();
    },
    20,
  );
  const cancelD = systemClock.setTimer(10_000, () => ran.push("d"), 1);
  cancelB();
  await delay(systemClock, 60);
  cancelD();
  assert.equal(ran, ["c"]);
});

it("does not keep the process awake", async () => {
  const cancel = systemClock.setTimer(10_000, () => undefined, 100);
  const before = performance.eventLoopUtilization();
  await delay(systemClock, 200);
  const { utilization } = performance.eventLoopUtilization(before);
  cancel();
  assert.ok(utilization < 0.5, `the loop was busy for ${utilization} of the time`);
});

it("ends a wait with the signal's reason, early or not", async () => {
  const stop = new AbortController();
  const waits = [10_000, { ms: 10_000, earlyMs: 100 }].map((wait) =>
    delay(systemClock, wait, stop.signal).catch((error: unknown) => String(error)),
  );
  stop.abort(new Error("stopped"));
  for (const end of await Promise.all(waits)) assert.match(end ?? "", /stopped/);
});

it("lets what has come go before a timer that a stall made late, and cancels it until it runs", async () => {
  const order: string[] = [];
  const { port1, port2 } = new MessageChannel();
  const heard = new Promise<void>((resolve) => {
    port1.on("message", () => {
      order.push("answer");
      resolve();
    });
  });
  const due = new Promise<void>((resolve) => {
    systemClock.setTimer(5, () => {
      order.push("deadline");
      resolve();
    });
  });
  const cancels: (() => void)[] = [];
  systemClock.setTimer(4, () => cancels[0]?.()); // late as well, and runs first
  cancels.push(systemClock.setTimer(6, () => order.push("cancelled")));
  // After an immediate the loop looks at timers first, and then at what has come.
  setImmediate(() => {
    port2.postMessage("answer");
    const until = performance.now() + 100;
    while (performance.now() < until); // the stall
  });
  await Promise.all([heard, due]);
  await delay(systemClock, 20);
  assert.equal(order, ["answer", "deadline"]);
  port1.close();
});

it.run();
