import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Background } from "../../../../src/base/background.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId, type SnapshotMeta } from "../../../../src/consensus/core/types.ts";
import { DriverMetrics } from "../../../../src/consensus/driver/metrics.ts";
import { type RaftTransport, type SnapshotSink } from "../../../../src/consensus/driver/ports.ts";
import { SnapshotExchange } from "../../../../src/consensus/driver/snapshot-exchange.ts";
import { chunks, pattern } from "../../../contract/snapshot-store.ts";
import { codeOf } from "../../../contract/log-store.ts";
import { MemorySnapshots, SnapshotShelf } from "../../../support/memory-snapshots.ts";
import { history } from "../../../support/entries.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("snapshot exchange");
const config = simpleConfiguration(["a"]);
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Accept = (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>;
interface Sending {
  readonly to: NodeId;
  readonly signal: AbortSignal;
  readonly end: (ok: boolean) => void;
}

async function setUp() {
  const shelf = new SnapshotShelf();
  const snapshots = new MemorySnapshots(shelf);
  const sendings: Sending[] = [];
  const seen: string[] = [];
  let accept: Accept = () => Promise.resolve(null);
  const transport: Pick<RaftTransport, "sendSnapshot" | "onSnapshot"> = {
    sendSnapshot: (to, _meta, _read, signal) => {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      sendings.push({ to, signal, end: resolve });
      signal.addEventListener("abort", () => resolve(false));
      return promise;
    },
    onSnapshot: (given) => (accept = given),
  };
  const metrics = new DriverMetrics();
  const clock = new VirtualClock();
  const background = new Background(silentLogger);
  const exchange = new SnapshotExchange(
    { clock, transport: transport as RaftTransport, snapshots, background, metrics },
    {
      sent: (to, ok) => void seen.push(`${to} ${ok}`),
      received: ({ index }) => void seen.push(`received ${index}`),
      expectation: () => ({ from: ["leader", null], commit: 10 }),
    },
  );
  const elsewhere = new MemorySnapshots(new SnapshotShelf());
  const bytes = pattern(1000);
  const make = (index: number): Promise<SnapshotMeta> =>
    elsewhere.create({ index, term: 2, config, ...history }, chunks(bytes));
  return {
    exchange,
    shelf,
    snapshots,
    sendings,
    seen,
    metrics,
    bytes,
    make,
    accept: () => accept,
    meta: await make(50),
  };
}

it("tells the core how each transfer ended", async () => {
  const t = await setUp();
  t.exchange.send("b", t.meta);
  t.exchange.send("c", t.meta);
  await settled();
  assert.ok(t.exchange.sending);
  t.sendings[0]?.end(true);
  t.sendings[1]?.end(false);
  await settled();
  assert.equal(t.seen, ["b true", "c false"]);
  assert.not(t.exchange.sending);
  assert.is(t.metrics.snapshotsSent, 1);
});

it("replaces a transfer to the same follower, and speaks of the new one only", async () => {
  const t = await setUp();
  t.exchange.send("b", t.meta);
  await settled();
  t.exchange.send("b", await t.make(60));
  await settled();
  assert.ok(t.sendings[0]?.signal.aborted);
  t.sendings[1]?.end(true);
  await settled();
  assert.equal(t.seen, ["b true"]);
});

it("ends all transfers when leadership is lost", async () => {
  const t = await setUp();
  t.exchange.send("b", t.meta);
  await settled();
  t.exchange.cancelAll();
  await settled();
  assert.ok(t.sendings[0]?.signal.aborted);
  assert.equal(t.seen, []);
});

it("takes a snapshot from the leader only, and only when it is ahead", async () => {
  const t = await setUp();
  assert.is(await t.accept()("stranger", t.meta), null);
  assert.is(await t.accept()("leader", await t.make(10)), null);
  const sink = await t.accept()("leader", t.meta);
  assert.is(sink?.offset, 0);
  await sink?.write(t.bytes);
  await sink?.finish();
  assert.equal(t.seen, ["received 50"]);
  assert.is(t.metrics.snapshotsReceived, 1);
});

it("gives up a transfer for a newer one", async () => {
  const t = await setUp();
  const old = await t.accept()("leader", t.meta);
  await old?.write(t.bytes.subarray(0, 10));
  const recent = await t.accept()("leader", await t.make(60));
  assert.is(await old?.write(t.bytes.subarray(10)).catch(codeOf), "STOPPED");
  assert.is(await old?.finish().catch(codeOf), "STOPPED");
  await old?.abort();
  await recent?.write(t.bytes);
  await recent?.finish();
  assert.equal(t.seen, ["received 60"]);
});

it("takes nothing any more once it is halted, and is quiet when the disk is", async () => {
  const t = await setUp();
  const sink = await t.accept()("leader", t.meta);
  await sink?.write(t.bytes.subarray(0, 10));
  t.exchange.halt();
  assert.is(await sink?.write(t.bytes.subarray(10)).catch(codeOf), "STOPPED");
  assert.is(await sink?.finish().catch(codeOf), "STOPPED");
  assert.is(await t.accept()("leader", await t.make(60)), null);
  await t.exchange.quiet();
  assert.equal(t.seen, []);
});

it("waits for a snapshot that is being published when it is halted", async () => {
  const t = await setUp();
  const { promise: synced, resolve: sync } = Promise.withResolvers<void>();
  t.snapshots.beforePublish = synced;
  const sink = await t.accept()("leader", t.meta);
  await sink?.write(t.bytes);
  const finishing = sink?.finish();
  t.exchange.halt();
  let quiet = false;
  const waiting = t.exchange.quiet().then(() => (quiet = true));
  await settled();
  assert.not(quiet, "it is not on the shelf yet");
  sync();
  await waiting;
  await finishing;
  assert.is(t.shelf.newest?.meta.index, 50);
});

it("opens no file for one that was offered before it was halted", async () => {
  const t = await setUp();
  const offered = t.accept()("leader", t.meta);
  t.exchange.halt();
  assert.is(await offered, null);
});

it("does not tell the core of a snapshot that is damaged", async () => {
  const t = await setUp();
  const sink = await t.accept()("leader", t.meta);
  await sink?.write(pattern(1001).subarray(1));
  assert.is(await sink?.finish().catch(codeOf), "SNAPSHOT_CORRUPT");
  assert.equal(t.seen, []);
});

it.run();
