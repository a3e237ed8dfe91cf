/** What an acknowledged write means: it outlives kill -9 and a full disk. */
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
import { commands, genesis, history, write } from "../support/entries.ts";
import { codeOf } from "./log-store.ts";
import { chunks, collect, pattern } from "./snapshot-store.ts";

const it = suite("level log: crashes");
const run = promisify(execFile);
const bootstrap = simpleConfiguration(["a"]);

function logIn(directory: string): LevelLogStore {
  const options = { ...defaultLevelLogOptions, directory };
  return new LevelLogStore(options, { clock: systemClock });
}

async function inFolder(test: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), "muster-crash-"));
  try {
    await test(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** Runs the writer until it acknowledged `lines` writes, kills it, and gives the last acknowledged position. */
async function writeAndKill(
  directory: string,
  lines: number,
): Promise<{ readonly last: number; readonly term: number }> {
  const fixture = path.join(import.meta.dirname, "../fixtures/log-writer.ts");
  const child = spawn(process.execPath, [fixture, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const { promise: exited, resolve } = Promise.withResolvers<null>();
  child.on("exit", () => resolve(null));
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => {
    output += text;
    if (output.split("\n").length > lines) child.kill("SIGKILL");
  });
  await exited;
  const acknowledged = output.split("\n").slice(0, -1);
  const [last = 0, term = 0] = (acknowledged.at(-1) ?? "").split(" ").map(Number);
  return { last, term };
}

it("keeps every acknowledged write over kill -9, again and again", () =>
  inFolder(async (root) => {
    for (const lines of [1, 7, 60, 150, 313]) {
      const { last, term } = await writeAndKill(root, lines);
      assert.ok(last > 0);
      const store = logIn(root);
      const { recovered, health, detail } = await store.open(genesis(bootstrap));
      await store.close();
      assert.is.not(health, "corrupt", detail);
      const { hardState, lastIndex } = recovered;
      // One more write may have been under way; it cuts at most the last entry, in a newer term.
      assert.ok(lastIndex >= last, `${lastIndex} of ${last}`);
      assert.ok(hardState.term === term || hardState.term === term + 1);
    }
  }));

async function onSmallDisk(test: (mount: string) => Promise<void>): Promise<void> {
  await inFolder(async (root) => {
    const mount = path.join(root, "small");
    await mkdir(mount);
    await run("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", mount]);
    try {
      await test(mount);
    } finally {
      await run("umount", ["-l", mount]);
    }
  });
}

const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? it : it.skip;
if (!isRoot) process.stderr.write("full disks are not tested: mounting a small one needs root\n");

asRoot("fails for good when the disk is full, and loses nothing acknowledged", () =>
  onSmallDisk(async (mount) => {
    const store = logIn(path.join(mount, "consensus"));
    await store.open(genesis(bootstrap));
    let last = 0;
    let outcome = "";
    while (outcome === "" && last < 1_000_000) {
      const entries = commands(last + 1, last + 200, 1);
      outcome = await store.append(write({ entries })).then(() => "", codeOf);
      if (outcome === "") last += 200;
    }
    assert.is(outcome, "LOG_WRITE_FAILED");
    const small = write({ entries: commands(last + 1, last + 1, 1) });
    assert.is(await store.append(small).catch(codeOf), "LOG_WRITE_FAILED");
    await store.close();
    await run("mount", ["-o", "remount,size=64m", mount]);
    const again = logIn(path.join(mount, "consensus"));
    const { recovered, health, detail } = await again.open(genesis(bootstrap));
    assert.is.not(health, "corrupt", detail);
    assert.ok(recovered.lastIndex >= last);
    await again.append(
      write({ entries: commands(recovered.lastIndex + 1, recovered.lastIndex + 5, 1) }),
    );
    await again.close();
  }),
);

asRoot("keeps the old snapshot when the disk is full", () =>
  onSmallDisk(async (mount) => {
    const options = { directory: path.join(mount, "snapshots"), maxBytes: 1 << 30 };
    const store = new SnapshotFiles(options, { logger: silentLogger });
    const old = await store.create(
      { index: 5, term: 1, config: bootstrap, ...history },
      chunks(pattern(100_000)),
    );
    const next = store.create(
      { index: 9, term: 1, config: bootstrap, ...history },
      chunks(pattern(9_000_000)),
    );
    assert.is(await next.catch(codeOf), "SNAPSHOT_WRITE_FAILED");
    const again = new SnapshotFiles(options, { logger: silentLogger });
    assert.equal(await again.latest(), old);
    assert.is((await collect(again.read(old.id, 0))).byteLength, 100_000);
    await writeFile(path.join(mount, "room"), Buffer.alloc(1_000_000));
  }),
);

it.run();
