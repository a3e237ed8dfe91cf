/** What snapshot files say about a disk that changed them, and what is left over from a crash. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../src/base/logger.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type SnapshotMeta } from "../../src/consensus/core/types.ts";
import { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
import { codeOf } from "./log-store.ts";
import { chunks, collect, pattern } from "./snapshot-store.ts";
import { history } from "../support/entries.ts";

const it = suite("snapshot files: damage");
const config = simpleConfiguration(["a"]);

interface Given {
  readonly directory: string;
  readonly old: SnapshotMeta;
  readonly newest: SnapshotMeta;
  /** As after a restart. */
  store(maxBytes?: number): SnapshotFiles;
}

function on(title: string, test: (given: Given) => Promise<void>): void {
  it(title, async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "muster-snapshots-"));
    const store = (maxBytes = 1 << 30): SnapshotFiles =>
      new SnapshotFiles({ directory, maxBytes }, { logger: silentLogger });
    try {
      const first = store();
      const old = await first.create(
        { index: 5, term: 1, config, ...history },
        chunks(pattern(9000)),
      );
      const newest = await first.create(
        { index: 70, term: 2, config, ...history },
        chunks(pattern(9001)),
      );
      await test({ directory, old, newest, store });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}

on("falls back to the older one when a byte of the newest is wrong, wherever", async (given) => {
  const file = path.join(given.directory, `snap-${given.newest.id}`);
  const good = await readFile(file);
  for (let at = 0; at < good.byteLength; at += 97) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] ?? 0) ^ 0x04;
    await writeFile(file, damaged);
    assert.equal(await given.store().latest(), given.old, `byte ${at}`);
  }
  await writeFile(file, good);
  assert.equal(await given.store().latest(), given.newest);
});

on("falls back when the newest is cut", async (given) => {
  const file = path.join(given.directory, `snap-${given.newest.id}`);
  await truncate(file, 4000);
  assert.equal(await given.store().latest(), given.old);
});

on("starts a transfer anew when what arrived earlier is damaged", async (given) => {
  const bytes = pattern(50_000);
  const elsewhere = new SnapshotFiles(
    { directory: path.join(given.directory, "peer"), maxBytes: 1 << 30 },
    { logger: silentLogger },
  );
  const meta = await elsewhere.create({ index: 99, term: 3, config, ...history }, chunks(bytes));
  const store = given.store();
  const sink = await store.receive(meta);
  await sink.write(bytes.subarray(0, 30_000));
  await sink.abort();
  const part = path.join(given.directory, `part-${meta.id}`);
  const arrived = await readFile(part);
  arrived.fill(0, 20_000, 20_100);
  await writeFile(part, arrived);
  const resumed = await given.store().receive(meta);
  assert.is(resumed.offset, 30_000);
  await resumed.write(bytes.subarray(30_000));
  assert.is(await resumed.finish().catch(codeOf), "SNAPSHOT_CORRUPT");
  const anew = await given.store().receive(meta);
  assert.is(anew.offset, 0);
  await anew.write(bytes);
  await anew.finish();
  assert.equal(await given.store().latest(), meta);
});

on("removes what an interrupted writer left", async (given) => {
  await writeFile(path.join(given.directory, "new-80-1"), Buffer.alloc(1000));
  assert.equal(await given.store().latest(), given.newest);
  const names = await readdir(given.directory);
  assert.not(names.some((name) => name.startsWith("new-")));
});

on("refuses more than its limit, from itself and from peers", async (given) => {
  const store = given.store(20_000);
  const own = store.create({ index: 90, term: 2, config, ...history }, chunks(pattern(90_000)));
  assert.is(await own.catch(codeOf), "SNAPSHOT_WRITE_FAILED");
  const offered = { ...given.newest, sizeBytes: 20_001 };
  assert.is(await store.receive(offered).catch(codeOf), "TOO_LARGE");
  assert.is((await collect(store.read(given.newest.id, 0))).byteLength, 9001);
});

it.run();
