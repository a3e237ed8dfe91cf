import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TaskQueue } from "../../../src/base/task-queue.ts";

const it = suite("task queue");

it("begins a task that waits for none before it returns, and others one after another", async () => {
  const queue = new TaskQueue();
  const log: string[] = [];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const runs = gates.map(({ promise }, i) =>
    queue.run(async () => {
      log.push(`begin ${i}`);
      await promise;
      log.push(`end ${i}`);
    }),
  );
  assert.equal(log, ["begin 0"]);
  for (const { resolve } of gates.toReversed()) resolve();
  await Promise.all(runs);
  assert.equal(log, ["begin 0", "end 0", "begin 1", "end 1", "begin 2", "end 2"]);
  const last = queue.run(() => Promise.resolve(log.push("at once")));
  assert.is(log.at(-1), "at once");
  await last;
});

it("goes on after a task that failed, whose caller hears of it", async () => {
  const queue = new TaskQueue();
  const failed = queue.run(() => Promise.reject(new Error("no")));
  const next = queue.run(() => Promise.resolve(1));
  let message = "";
  await failed.catch((error: unknown) => (message = String(error)));
  assert.is(message, "Error: no");
  assert.is(await next, 1);
});

it.run();
