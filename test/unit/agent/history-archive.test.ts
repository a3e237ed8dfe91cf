/** Copies of histories that lost: readable, bounded, and never in the way. */
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ArchiveLimits, HistoryArchive } from "../../../src/agent/history-archive.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type StoredRecord } from "../../../src/inventory/record-types.ts";
import { cluster } from "../../support/inventory.ts";

const it = suite("history archive");
const now = Date.now();
const unlimited = new AbortController().signal;
const day = 24 * 3_600_000;

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-archive-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function archive(
  directory: string,
  limits: Partial<ArchiveLimits> = {},
  image: () => readonly StoredRecord[] = () => cluster("n1", "n2").machine.image(),
): HistoryArchive {
  const clock = { wallMs: () => now };
  return new HistoryArchive({ directory, image, clock, logger: silentLogger, limits });
}

const history = (n: number) => ({
  generation: { n, id: String(n).repeat(32).slice(0, 32) },
  forkIndex: 5,
  lastIndex: 9,
  winner: { n: 1, id: "f".repeat(32) },
});

it("keeps every record but the keys, once, for the agent's own eyes", () =>
  inFolder(async (folder) => {
    const directory = path.join(folder, "archive");
    await archive(directory).keep(history(2), unlimited);
    const [name = ""] = await readdir(directory);
    assert.is(name, `2-${"2".repeat(32)}.jsonl.gz`);
    const file = path.join(directory, name);
    assert.is((await stat(file)).mode & 0o777, 0o600);
    const lines = gunzipSync(await readFile(file))
      .toString()
      .trimEnd()
      .split("\n");
    const [about, ...records] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.is(about?.["forkIndex"], 5);
    const image = cluster("n1", "n2").machine.image();
    assert.is(records.length, image.filter(({ key }) => key !== "keyring").length);
    assert.ok(records.some(({ key }) => key === "node/n1"));
    await writeFile(file, "as it is");
    await archive(directory).keep(history(2), unlimited);
    assert.is(await readFile(file, "utf8"), "as it is");
  }));

it("drops what is too old, too much, or was not finished, but the newest", () =>
  inFolder(async (directory) => {
    for (const [n, age] of [31, 20, 10].entries()) {
      const file = path.join(directory, `${n + 3}-old.jsonl.gz`);
      await writeFile(file, "x".repeat(1000));
      await utimes(file, new Date(now - age * day), new Date(now - age * day));
    }
    await writeFile(path.join(directory, "2-half.jsonl.gz.unfinished"), "x");
    await archive(directory, { maxBytes: 2200 }).keep(history(2), unlimited);
    const left = await readdir(directory);
    assert.equal(left.sort(), ["5-old.jsonl.gz", `2-${"2".repeat(32)}.jsonl.gz`].sort());
    await archive(directory, { maxBytes: 1 }).keep(history(2), unlimited);
    assert.is((await readdir(directory)).length, 1);
  }));

it("gives up quietly where there is no room, no folder, or no state, and leaves nothing behind", () =>
  inFolder(async (folder) => {
    const directory = path.join(folder, "archive");
    await archive(directory, { maxBytes: 10 }).keep(history(2), unlimited);
    await archive(directory, { reserveBytes: Number.MAX_SAFE_INTEGER }).keep(history(2), unlimited);
    const broken = (): never => {
      throw new Error("no state");
    };
    await archive(directory, {}, broken).keep(history(2), unlimited);
    assert.equal(await readdir(directory), []);
    await writeFile(path.join(folder, "file"), "");
    await archive(path.join(folder, "file")).keep(history(2), unlimited);
  }));

it("ends when it is told to, and leaves nothing behind", () =>
  inFolder(async (directory) => {
    const ended = new AbortController();
    ended.abort();
    let looked = 0;
    const image = (): readonly StoredRecord[] => {
      looked += 1;
      return cluster("n1").machine.image();
    };
    await archive(directory, {}, image).keep(history(2), ended.signal);
    assert.is(looked, 0, "the state may be another's by then");
    const amidst = new AbortController();
    const records = cluster("n1", "n2").machine.image();
    const endless = new Proxy(records, {
      get(target, property): unknown {
        if (property === "length") return Number.MAX_SAFE_INTEGER;
        if (property !== "slice") return Reflect.get(target, property);
        return () => {
          looked += 1;
          if (looked === 3) amidst.abort();
          return target.slice();
        };
      },
    });
    await archive(directory, { maxBytes: 1e6 }, () => endless).keep(history(2), amidst.signal);
    assert.ok(looked >= 3 && looked < 20, `it wrote on: ${looked} batches`);
    assert.equal(await readdir(directory), []);
  }));

it.run();
