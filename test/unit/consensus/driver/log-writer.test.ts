import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AppendOp } from "../../../../src/consensus/core/types.ts";
import { LogWriter } from "../../../../src/consensus/driver/log-writer.ts";
import { DriverMetrics } from "../../../../src/consensus/driver/metrics.ts";
import { commands, shown, write } from "../../../support/entries.ts";
import { MemoryDisk, MemoryLogStore } from "../../../support/memory-log.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("log writer");

function setUp(writeMs: number, hook: () => void = () => {}) {
  const clock = new VirtualClock();
  const disk = new MemoryDisk();
  const metrics = new DriverMetrics();
  const durable: number[] = [];
  const failures: unknown[] = [];
  const latency = { clock, writeMs: () => writeMs };
  const log = new MemoryLogStore(disk, { beforeWrite: hook }, latency);
  const events = {
    durable: (ops: readonly AppendOp[]) => void durable.push(...ops.map(({ seq }) => seq)),
    failed: (error: unknown) => void failures.push(error),
  };
  const writer = new LogWriter({ log, clock, metrics }, events);
  let seq = 0;
  const enqueue = (parts: Partial<AppendOp>): void => {
    seq += 1;
    writer.enqueue({ ...write(parts), after: [], seq });
  };
  return { clock, disk, metrics, durable, failures, writer, enqueue };
}

it("writes the first at once and the next two together", async () => {
  const t = setUp(10);
  for (let i = 1; i <= 3; i += 1) t.enqueue({ entries: commands(i, i, 1) });
  await t.clock.advance(9);
  assert.equal(t.durable, []);
  await t.clock.advance(1);
  assert.equal(t.durable, [1]);
  await t.clock.advance(10);
  assert.equal(t.durable, [1, 2, 3]);
  assert.is(t.metrics.writes, 2);
  assert.is(t.metrics.operations, 3);
});

it("says how long the write under way has taken", async () => {
  const t = setUp(10_000);
  assert.is(t.writer.busyMs(t.clock.monotonicMs()), 0);
  t.enqueue({ entries: commands(1, 1, 1) });
  await t.clock.advance(700);
  assert.is(t.writer.busyMs(t.clock.monotonicMs()), 700);
});

it("keeps a commit index for the next write", async () => {
  const t = setUp(0);
  const hardState = { term: 1, vote: null, commit: 5 };
  t.enqueue({ hardState, mustSync: false });
  assert.equal(t.durable, [1]);
  await t.clock.advance(1);
  assert.is(t.disk.hardState.commit, 0);
  t.enqueue({ entries: commands(1, 1, 1) });
  await t.clock.advance(1);
  assert.equal(t.disk.hardState, hardState);
  assert.is(t.metrics.writes, 1);
});

it("makes no write for a commit index that came while it wrote", async () => {
  const t = setUp(10);
  const hardState = { term: 1, vote: null, commit: 1 };
  t.enqueue({ entries: commands(1, 1, 1) });
  t.enqueue({ hardState, mustSync: false });
  await t.clock.advance(9);
  assert.equal(t.durable, [], "it is told after what was before it");
  await t.clock.advance(1);
  assert.equal(t.durable, [1, 2]);
  t.enqueue({ entries: commands(2, 2, 1) });
  await t.clock.advance(10);
  assert.equal(t.disk.hardState, hardState, "the next one has it");
  assert.is(t.metrics.writes, 2);
  t.enqueue({ entries: commands(3, 3, 1) });
  t.enqueue({ hardState: { ...hardState, commit: 2 }, mustSync: false });
  const stopping = t.writer.stop();
  await t.clock.advance(30);
  await stopping;
  assert.is(t.disk.hardState.commit, 2, "or what is written when it stops");
  assert.equal(t.durable, [1, 2, 3], "nobody is told any more");
});

it("writes everything it took, and the commit index, before it stops", async () => {
  const t = setUp(0);
  t.enqueue({ entries: commands(1, 1, 1) });
  t.enqueue({ entries: commands(2, 2, 1) });
  const stopping = t.writer.stop();
  await t.clock.advance(5);
  await stopping;
  assert.equal(shown(t.disk.entries), shown(commands(1, 2, 1)));
  assert.equal(t.durable, [], "nobody is told any more");
  const other = setUp(0);
  other.enqueue({ hardState: { term: 2, vote: "a", commit: 9 }, mustSync: false });
  const done = other.writer.stop();
  await other.clock.advance(5);
  await done;
  assert.is(other.disk.hardState.commit, 9);
});

it("writes nothing after a failure, and reports it once", async () => {
  let calls = 0;
  const t = setUp(0, () => {
    calls += 1;
    throw new Error("input/output error");
  });
  t.enqueue({ entries: commands(1, 1, 1) });
  t.enqueue({ entries: commands(2, 2, 1) });
  await t.clock.advance(1);
  t.enqueue({ entries: commands(3, 3, 1) });
  await t.clock.advance(1);
  assert.is(t.failures.length, 1);
  assert.is(calls, 1);
  assert.equal(t.durable, []);
});

it.run();
