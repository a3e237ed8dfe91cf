/** What the log on LevelDB says about a disk that lost, changed or exchanged something behind its back. */
import { cp, mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/base/clock.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { currentGeneration } from "../../src/consensus/lineage/generation.ts";
import { readWatermark } from "../../src/consensus/storage/meta-file.ts";
import {
  defaultLevelLogOptions,
  LevelLogStore,
  type LevelLogOptions,
} from "../../src/consensus/storage/level-log.ts";
import { command, commands, genesis, shown, write } from "../support/entries.ts";
import { codeOf } from "./log-store.ts";

const it = suite("level log: damage");

const bootstrap = simpleConfiguration(["a"]);
const vote = { term: 1, vote: "a", commit: 0 };

type Opening = Awaited<ReturnType<LevelLogStore["open"]>>;

interface Given {
  readonly directory: string;
  open(options?: Partial<LevelLogOptions>): Promise<LevelLogStore>;
  /** Opens, looks, closes. */
  look(directory?: string): Promise<Opening>;
}

function on(title: string, test: (given: Given) => Promise<void>): void {
  it(title, async () => {
    const root = await mkdtemp(path.join(tmpdir(), "muster-damage-"));
    const directory = path.join(root, "consensus");
    const open = async (options: Partial<LevelLogOptions> = {}): Promise<LevelLogStore> => {
      const all = { ...defaultLevelLogOptions, directory, ...options };
      const store = new LevelLogStore(all, { clock: systemClock });
      await store.open(genesis(bootstrap));
      return store;
    };
    const look = async (from = directory): Promise<Opening> => {
      const options = { ...defaultLevelLogOptions, directory: from };
      const store = new LevelLogStore(options, { clock: systemClock });
      try {
        return await store.open(genesis(bootstrap));
      } finally {
        await store.close();
      }
    };
    try {
      await test({ directory, open, look });
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
}

/** 60 writes of 5 entries each, closed in order. */
async function filled({ open }: Given): Promise<void> {
  const store = await open();
  for (let i = 0; i < 60; i += 1) {
    const hardState = i === 0 ? vote : null;
    await store.append(write({ entries: commands(i * 5 + 1, i * 5 + 5, 1), hardState }));
  }
  await store.close();
}

async function fileOf(directory: string, pattern: RegExp): Promise<string> {
  const folder = path.join(directory, "log");
  const names = (await readdir(folder)).filter((name) => pattern.test(name)).sort();
  const name = names.at(-1);
  if (name === undefined) throw new Error(`no ${String(pattern)} in ${folder}`);
  return path.join(folder, name);
}

async function change(file: string, edit: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(file);
  edit(bytes);
  await writeFile(file, bytes);
}

function isPrefix({ recovered }: Opening, last: number): void {
  assert.is(recovered.lastIndex, last);
  assert.equal(shown(recovered.tail), shown(commands(1, last, 1)));
}

on("finds one flipped byte anywhere in LevelDB's log, whatever LevelDB says", async (given) => {
  await filled(given);
  const copy = `${given.directory}-copy`;
  const size = (await readFile(await fileOf(given.directory, /\.log$/))).byteLength;
  let found = 0;
  for (let i = 0; i < 48; i += 1) {
    await cp(given.directory, copy, { recursive: true });
    const at = Math.floor(((i + 0.5) / 48) * size);
    await change(await fileOf(copy, /\.log$/), (bytes) => (bytes[at] = (bytes[at] ?? 0) ^ 0x41));
    const opening = await given.look(copy);
    await rm(copy, { recursive: true, force: true });
    const { health, recovered } = opening;
    if (health !== "corrupt") assert.is(recovered.lastIndex, 300, `byte ${at}: ${health}`);
    else found += 1;
    isPrefix(opening, recovered.lastIndex);
    assert.is(recovered.hardState.term, 1, "the promise is kept outside the database, too");
  }
  assert.ok(found >= 46, `found ${found} of 48`);
});

on("never forgets a promise that was told, whatever comes after it", async (given) => {
  const ballot = { counter: 1, node: "a" };
  const [root] = genesis(bootstrap).lineage.generations;
  const promise = { parent: root?.id ?? "", ballot, accepted: null };
  const before = await given.open();
  await before.append(write({ entries: commands(1, 20, 1) }));
  await before.close();
  const old = path.join(given.directory, "..", "old");
  await cp(given.directory, old, { recursive: true });
  const store = await given.open();
  await store.append(write({ lineage: { ...genesis(bootstrap).lineage, promise } }));
  const lost = path.join(given.directory, "..", "lost");
  await cp(given.directory, lost, { recursive: true });
  await store.close();
  // Without any quiet time: the database of before beside the watermark of after.
  await rm(path.join(lost, "log"), { recursive: true });
  await cp(path.join(old, "log"), path.join(lost, "log"), { recursive: true });
  const opening = await given.look(lost);
  assert.is(opening.health, "corrupt", opening.detail);
  assert.equal((await given.look()).lineage.promise, promise);
});

on(
  "tells a supervisor where the log ends and in which generation, without opening it",
  async (given) => {
    const store = await given.open();
    await store.append(write({ entries: commands(1, 20, 3) }));
    const { n, id } = currentGeneration(genesis(bootstrap).lineage);
    const watermark = await readWatermark(given.directory);
    const chain = await store.chainAt(20);
    await store.close();
    const expected = { last: 20, lastTerm: 3, chain, generation: { n, id }, voters: ["a"] };
    assert.equal({ ...watermark, ...expected }, watermark);
    assert.is(await readWatermark(path.join(given.directory, "absent")), null);
  },
);

on("finds one flipped byte in a table file", async (given) => {
  await filled(given);
  const store = await given.open();
  await store.close();
  const table = await fileOf(given.directory, /\.ldb$/);
  await change(table, (bytes) => {
    const at = bytes.byteLength >> 1;
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  });
  const opening = await given.look();
  assert.is(opening.health, "corrupt");
  isPrefix(opening, opening.recovered.lastIndex);
});

on("finds a zeroed page in the middle", async (given) => {
  await filled(given);
  await change(await fileOf(given.directory, /\.log$/), (bytes) => bytes.fill(0, 8192, 12_288));
  const opening = await given.look();
  assert.is(opening.health, "corrupt");
  assert.ok(opening.recovered.lastIndex < 300);
});

on("finds that acknowledged writes were cut off", async (given) => {
  await filled(given);
  const log = await fileOf(given.directory, /\.log$/);
  await truncate(log, (await readFile(log)).byteLength - 400);
  const opening = await given.look();
  assert.is(opening.health, "corrupt");
  assert.match(opening.detail, /acknowledged writes are missing/);
});

on("finds that LevelDB's log was deleted, or its whole folder", async (given) => {
  await filled(given);
  await rm(await fileOf(given.directory, /\.log$/));
  assert.is((await given.look()).health, "corrupt");
  await rm(path.join(given.directory, "log"), { recursive: true });
  assert.is((await given.look()).health, "corrupt");
});

on("finds that LevelDB's own description is damaged", async (given) => {
  await filled(given);
  const manifest = await fileOf(given.directory, /^MANIFEST/);
  await truncate(manifest, (await readFile(manifest)).byteLength >> 1);
  const { health, recovered } = await given.look();
  assert.is(health, "corrupt");
  assert.is(recovered.hardState.vote, "a");
});

on("drops an unfinished last write, and says so", async (given) => {
  await filled(given);
  const store = await given.open({ confirmAfterMs: 60_000 });
  await store.append(write({ entries: commands(301, 305, 1) }));
  const newer = { term: 2, vote: "b", commit: 300 };
  await store.append(write({ entries: commands(306, 310, 2), hardState: newer }));
  const copy = `${given.directory}-copy`;
  await cp(given.directory, copy, { recursive: true });
  await store.close();
  const log = await fileOf(copy, /\.log$/);
  await truncate(log, (await readFile(log)).byteLength - 7);
  const opening = await given.look(copy);
  assert.is(opening.health, "torn-tail", opening.detail);
  isPrefix(opening, 305);
  assert.is(opening.recovered.hardState.vote, "b", "a vote may have been heard");
  const again = await given.look(copy);
  assert.is(again.health, "ok", again.detail);
  assert.is(again.recovered.hardState.term, 2);
});

on("drops no more than the last write", async (given) => {
  await filled(given);
  const store = await given.open({ confirmAfterMs: 60_000 });
  await store.append(write({ entries: commands(301, 305, 1) }));
  await store.append(write({ entries: commands(306, 310, 1) }));
  const copy = `${given.directory}-copy`;
  await cp(given.directory, copy, { recursive: true });
  await store.close();
  const log = await fileOf(copy, /\.log$/);
  await truncate(log, Math.floor((await readFile(log)).byteLength * 0.4));
  assert.is((await given.look(copy)).health, "corrupt");
});

on("knows a quiet log's last write as acknowledged", async (given) => {
  const store = await given.open({ confirmAfterMs: 1 });
  await store.append(write({ entries: commands(1, 5, 1) }));
  await new Promise((resolve) => systemClock.setTimer(100, () => resolve(null)));
  const copy = `${given.directory}-copy`;
  await cp(given.directory, copy, { recursive: true });
  await store.close();
  const log = await fileOf(copy, /\.log$/);
  await truncate(log, (await readFile(log)).byteLength - 7);
  assert.is((await given.look(copy)).health, "corrupt");
});

on("survives the loss of one watermark file, but not of both", async (given) => {
  await filled(given);
  for (const name of ["meta.0", "meta.1"]) {
    const copy = `${given.directory}-copy`;
    await cp(given.directory, copy, { recursive: true });
    await change(path.join(copy, name), (bytes) => bytes.fill(0xff, 10, 20));
    const opening = await given.look(copy);
    assert.is(opening.health, "ok", opening.detail);
    isPrefix(opening, 300);
    await rm(copy, { recursive: true });
  }
  await rm(path.join(given.directory, "meta.0"));
  await rm(path.join(given.directory, "meta.1"));
  const { health, detail } = await given.look();
  assert.is(health, "corrupt", detail);
});

on(
  "puts a watermark right that missed the last write, before the next one begins",
  async (given) => {
    const metaOf = (from: string, to: string): Promise<void[]> =>
      Promise.all(
        ["meta.0", "meta.1"].map((name) => cp(path.join(from, name), path.join(to, name))),
      );
    const kept = `${given.directory}-kept`;
    await mkdir(kept);
    const store = await given.open();
    await store.append(write({ entries: commands(1, 5, 1), hardState: vote }));
    await metaOf(given.directory, kept);
    await store.append(write({ entries: commands(6, 10, 1) }));
    await store.close();
    await metaOf(kept, given.directory); // The second write's watermark was lost with the power …
    const again = await given.open();
    await metaOf(given.directory, kept);
    await again.append(write({ entries: commands(11, 15, 1) }));
    await again.close();
    await metaOf(kept, given.directory); // … and so was the third's.
    const opening = await given.look();
    assert.is(opening.health, "ok", opening.detail);
    isPrefix(opening, 15);
  },
);

on("refuses watermarks that are older than the log", async (given) => {
  const store = await given.open();
  await store.append(write({ entries: commands(1, 5, 1) }));
  await store.close();
  const old = `${given.directory}-old`;
  await cp(given.directory, old, { recursive: true });
  await filled2(given);
  for (const name of ["meta.0", "meta.1"]) {
    await cp(path.join(old, name), path.join(given.directory, name));
  }
  assert.is((await given.look()).health, "corrupt");
});

on("refuses a log that was restored from a backup", async (given) => {
  const store = await given.open();
  await store.append(write({ entries: commands(1, 5, 1) }));
  await store.close();
  const old = `${given.directory}-old`;
  await cp(given.directory, old, { recursive: true });
  await filled2(given);
  await rm(path.join(given.directory, "log"), { recursive: true });
  await cp(path.join(old, "log"), path.join(given.directory, "log"), { recursive: true });
  assert.is((await given.look()).health, "corrupt");
});

on("refuses another agent's log of the same length", async (given) => {
  const other = `${given.directory}-other`;
  for (const [directory, text] of [
    [given.directory, "mine"],
    [other, "theirs"],
  ] as const) {
    const store = await given.open({ directory });
    await store.append(write({ entries: [command(1, 1, text)] }));
    await store.close();
  }
  await rm(path.join(given.directory, "log"), { recursive: true });
  await cp(path.join(other, "log"), path.join(given.directory, "log"), { recursive: true });
  const { health, detail } = await given.look();
  assert.is(health, "corrupt");
  assert.match(detail, /another log/);
});

on("does not write a damaged log, but reads its valid part", async (given) => {
  await filled(given);
  await change(await fileOf(given.directory, /\.log$/), (bytes) => bytes.fill(0, 8192, 12_288));
  const all = { ...defaultLevelLogOptions, directory: given.directory };
  const store = new LevelLogStore(all, { clock: systemClock });
  const { recovered } = await store.open(genesis(bootstrap));
  const outcome = await store.append(write({ entries: commands(301, 301, 1) })).catch(codeOf);
  assert.is(outcome, "LOG_CORRUPT");
  const readable = await store.read(1, 1e9);
  assert.equal(shown(readable), shown(commands(1, recovered.lastIndex, 1)));
  await store.close();
});

on("is opened by one process at a time", async (given) => {
  const store = await given.open();
  const outcome = await given.open().catch(codeOf);
  assert.is(outcome, "LOG_LOCKED");
  await store.close();
});

async function filled2({ open }: Given): Promise<void> {
  const store = await open();
  for (let i = 1; i < 10; i += 1) {
    await store.append(write({ entries: commands(i * 5 + 1, i * 5 + 5, 1) }));
  }
  await store.close();
}

it.run();
