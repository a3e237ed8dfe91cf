/** What every SnapshotStore must do; run on files and on the twin in memory. */
import { type Test, suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type SnapshotMeta } from "../../src/consensus/core/types.ts";
import { type SnapshotStore } from "../../src/consensus/driver/ports.ts";
import { codeOf } from "./log-store.ts";
import { history } from "../support/entries.ts";

export interface SnapshotHarness {
  /** A store on the same disk as the last one of this harness, as after a restart. */
  store(): SnapshotStore;
  dispose(): Promise<void>;
}

const config = { ...simpleConfiguration(["a", "b"], ["c"]), index: 3 };

export function snapshotStoreContract(name: string, harness: () => Promise<SnapshotHarness>): Test {
  const it = suite(`snapshot store: ${name}`);

  const on = (title: string, test: (given: SnapshotHarness) => Promise<void>): void => {
    it(title, async () => {
      const given = await harness();
      try {
        await test(given);
      } finally {
        await given.dispose();
      }
    });
  };

  on("has none at first", async (given) => {
    assert.is(await given.store().latest(), null);
    await given.store().prune();
    const reading = collect(given.store().read("1-1-00", 0)).catch(codeOf);
    assert.is(await reading, "SNAPSHOT_UNKNOWN");
  });

  on("gives back after a restart what was written", async (given) => {
    const bytes = pattern(700_001);
    const meta = await given
      .store()
      .create({ index: 9, term: 2, config, ...history }, chunks(bytes));
    const store = given.store();
    assert.equal(await store.latest(), meta);
    assert.is(meta.sizeBytes, bytes.byteLength);
    assert.equal(meta.config, config);
    assert.ok((await collect(store.read(meta.id, 0))).equals(bytes));
    assert.ok((await collect(store.read(meta.id, 400_000))).equals(bytes.subarray(400_000)));
    assert.is((await collect(store.read(meta.id, bytes.byteLength))).byteLength, 0);
  });

  on("keeps an empty snapshot", async (given) => {
    const meta = await given
      .store()
      .create({ index: 1, term: 1, config, ...history }, chunks(Buffer.alloc(0)));
    assert.equal(await given.store().latest(), meta);
    assert.is((await collect(given.store().read(meta.id, 0))).byteLength, 0);
  });

  on("names equal states equally", async (given) => {
    const store = given.store();
    const at = { index: 4, term: 2, config, ...history };
    const one = await store.create(at, chunks(pattern(5000)));
    const two = await store.create(at, chunks(pattern(5000)));
    const other = await store.create(at, chunks(pattern(5001)));
    assert.is(one.id, two.id);
    assert.is.not(one.id, other.id);
  });

  on("prunes all but the newest", async (given) => {
    const store = given.store();
    const old = await store.create({ index: 4, term: 2, config, ...history }, chunks(pattern(10)));
    const newest = await store.create(
      { index: 100, term: 2, config, ...history },
      chunks(pattern(20)),
    );
    await store.create({ index: 30, term: 2, config, ...history }, chunks(pattern(30)));
    assert.equal(await store.latest(), newest);
    await store.prune();
    assert.equal(await given.store().latest(), newest);
    assert.is(await collect(store.read(old.id, 0)).catch(codeOf), "SNAPSHOT_UNKNOWN");
  });

  on("keeps the old one when writing a new one fails", async (given) => {
    const store = given.store();
    const old = await store.create({ index: 4, term: 2, config, ...history }, chunks(pattern(10)));
    const failing = store.create({ index: 9, term: 2, config, ...history }, broken()).catch(codeOf);
    assert.is(await failing, "SNAPSHOT_WRITE_FAILED");
    assert.equal(await given.store().latest(), old);
  });

  on("receives a snapshot, resuming after a restart", async (given) => {
    const bytes = pattern(300_000);
    const meta = await offered(bytes);
    const sink = await given.store().receive(meta);
    assert.is(sink.offset, 0);
    await sink.write(bytes.subarray(0, 100_000));
    await sink.abort();
    const store = given.store();
    const resumed = await store.receive(meta);
    assert.is(resumed.offset, 100_000);
    await resumed.write(bytes.subarray(100_000));
    assert.is(await store.latest(), null);
    await resumed.finish();
    assert.equal(await store.latest(), meta);
    assert.equal(await given.store().latest(), meta);
    assert.ok((await collect(store.read(meta.id, 0))).equals(bytes));
  });

  on("starts anew when another snapshot is offered", async (given) => {
    const store = given.store();
    const first = await store.receive(await offered(pattern(1000)));
    await first.write(pattern(500));
    await first.abort();
    const other = await offered(pattern(1001));
    assert.is((await store.receive(other)).offset, 0);
  });

  on("refuses what does not match its announcement", async (given) => {
    const bytes = pattern(1000);
    const meta = await offered(bytes);
    const store = given.store();
    const short = await store.receive(meta);
    await short.write(bytes.subarray(1));
    assert.is(await short.finish().catch(codeOf), "SNAPSHOT_CORRUPT");
    const resumed = await store.receive(meta);
    await resumed.write(bytes.subarray(0, 1));
    assert.is(await resumed.finish().catch(codeOf), "SNAPSHOT_CORRUPT");
    const anew = await store.receive(meta);
    assert.is(anew.offset, 0);
    assert.is(await anew.write(pattern(1001)).catch(codeOf), "SNAPSHOT_CORRUPT");
    const last = await store.receive(meta);
    await last.write(bytes);
    await last.finish();
    assert.equal(await store.latest(), meta);
  });

  on("refuses an id that does not name the content", async (given) => {
    for (const id of ["../../etc/passwd", "x", ""]) {
      const meta = { ...(await offered(pattern(10))), id };
      assert.is(await given.store().receive(meta).catch(codeOf), "SNAPSHOT_CORRUPT");
    }
  });

  /** The description of a snapshot that only a peer has. */
  async function offered(bytes: Buffer): Promise<SnapshotMeta> {
    const peer = await harness();
    try {
      return await peer.store().create({ index: 50, term: 7, config, ...history }, chunks(bytes));
    } finally {
      await peer.dispose();
    }
  }

  return it;
}

export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
}

export async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 65_536) {
    yield await Promise.resolve(bytes.subarray(at, at + 65_536));
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from("half"));
  throw new Error("the state machine failed");
}
