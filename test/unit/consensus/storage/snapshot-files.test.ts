/** What snapshot files do at the same time: each of these calls waits for the disk, and others go on meanwhile. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../../src/base/logger.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type SnapshotMeta } from "../../../../src/consensus/core/types.ts";
import { type Files, nodeFiles } from "../../../../src/consensus/storage/files.ts";
import { SnapshotFiles } from "../../../../src/consensus/storage/snapshot-files.ts";
import { chunks, pattern } from "../../../contract/snapshot-store.ts";
import { history } from "../../../support/entries.ts";

const it = suite("snapshot files");
const config = simpleConfiguration(["a"]);

type Hooks = { -readonly [F in keyof Files]?: Files[F] };

/** A directory with a snapshot of 5 in it. */
async function on(
  test: (given: {
    readonly directory: string;
    readonly store: SnapshotFiles;
    readonly files: Hooks;
    readonly names: () => Promise<readonly string[]>;
    readonly make: (index: number) => Promise<SnapshotMeta>;
    /** As after a restart. */
    readonly again: () => SnapshotFiles;
  }) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), "muster-snapshots-"));
  const files: Hooks = {};
  const hooked = new Proxy(nodeFiles, {
    get: (target, name) => files[name as keyof Files] ?? target[name as keyof Files],
  });
  const options = { directory, maxBytes: 1 << 20 };
  const again = (): SnapshotFiles =>
    new SnapshotFiles(options, { logger: silentLogger, files: hooked });
  const store = again();
  const make = (index: number): Promise<SnapshotMeta> =>
    store.create({ index, term: 1, config, ...history }, chunks(pattern(100 + index)));
  const names = async (): Promise<readonly string[]> =>
    (await readdir(directory)).filter((name) => name.startsWith("snap-"));
  try {
    await make(5);
    await store.latest(); // looks through the directory once
    await test({ directory, store, files, make, again, names });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

it("prunes nothing that is published while it looks for what is old", async () => {
  await on(async ({ store, files, make, names }) => {
    const pruned: string[] = [];
    files.names = async (directory) => {
      delete files.names;
      await make(70);
      return nodeFiles.names(directory);
    };
    files.remove = (file) => {
      pruned.push(path.basename(file));
      return nodeFiles.remove(file);
    };
    await store.prune();
    const newest = await store.latest();
    assert.is(newest?.index, 70);
    assert.ok((await names()).includes(`snap-${newest?.id}`), `pruned ${pruned.join(" ")}`);
  });
});

it("prunes nothing that has its name already and is not known as the newest yet", async () => {
  await on(async ({ store, files, make, names }) => {
    files.rename = async (from, to) => {
      delete files.rename;
      await nodeFiles.rename(from, to);
      await store.prune();
    };
    const { id } = await make(70);
    assert.ok((await names()).includes(`snap-${id}`));
    await store.prune();
    assert.equal(await names(), [`snap-${id}`]);
  });
});

it("gives no snapshot that a power cut could take, as its name was not synced by the process before", async () => {
  await on(async ({ files, again, directory }) => {
    const synced: string[] = [];
    files.syncDirectory = (folder) => {
      synced.push(folder);
      return nodeFiles.syncDirectory(folder);
    };
    const store = again();
    assert.is((await store.latest())?.index, 5);
    const both = [path.dirname(directory), directory];
    assert.equal(synced, both);
    await store.latest();
    assert.equal(synced, both, "once in a process");
    files.syncDirectory = () => Promise.reject(new Error("EIO"));
    const failed = await again()
      .latest()
      .catch((error: unknown) => error);
    assert.instance(failed, Error);
  });
});

it("makes its folder again, mark and all, when that is removed while the agent runs", async () => {
  await on(async ({ directory, make, names }) => {
    await rm(directory, { recursive: true });
    const { id } = await make(70);
    assert.equal(await names(), [`snap-${id}`]);
    assert.ok((await readdir(directory)).includes(".kept-here"));
  });
});

it("relies on no folder whose own name a power cut could take", async () => {
  await on(async ({ directory, files, again }) => {
    const done: string[] = [];
    files.makeDirectory = async (folder) => {
      done.push(`make ${path.relative(directory, folder)}`);
      await nodeFiles.makeDirectory(folder);
    };
    files.syncDirectory = async (folder) => {
      done.push(`sync ${path.relative(directory, folder)}`);
      await nodeFiles.syncDirectory(folder);
    };
    files.rename = async (from, to) => {
      done.push("publish");
      await nodeFiles.rename(from, to);
    };
    await again().create({ index: 6, term: 1, config, ...history }, chunks(pattern(10)));
    assert.equal(done, ["make ", "sync ..", "sync ", "publish", "sync "]);
    done.length = 0;
    const other = await again().create(
      { index: 7, term: 1, config, ...history },
      chunks(pattern(9)),
    );
    done.length = 0;
    await (await again().receive({ ...other, sizeBytes: 5 })).abort();
    assert.equal(done, ["make ", "sync ..", "sync "], "before a part of one is kept, too");
  });
});

it.run();
