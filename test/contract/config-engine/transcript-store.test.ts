/** Transcripts on disk: reading while they grow, from any offset, with damage, and copies on other nodes. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { isAgentError } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type TranscriptChunk } from "../../../src/config-engine/ports.ts";
import { encodeRunId } from "../../../src/config-engine/run-paths.ts";
import { TranscriptWriter } from "../../../src/config-engine/shim/transcript-writer.ts";
import { type CopyPeers, TranscriptCopies } from "../../../src/config-engine/transcript-copies.ts";
import { TranscriptReader } from "../../../src/config-engine/transcript-reader.ts";
import { FileTranscriptStore } from "../../../src/config-engine/transcript-store.ts";
import { type ReadTranscript, transcriptLines } from "../../support/transcript-lines.ts";

interface Context {
  dataDir: string;
  store: FileTranscriptStore;
}
const it = suite<Context>("transcript store");
const run = "j1/n1/base/configure/1";
const deps = { clock: systemClock };

it.before.each((context) => {
  context.dataDir = mkdtempSync(path.join(tmpdir(), "muster-transcripts-"));
  context.store = new FileTranscriptStore({ dataDir: context.dataDir }, deps);
});
it.after.each(({ dataDir }) => {
  rmSync(dataDir, { recursive: true, force: true });
});

function folderOf(dataDir: string): string {
  return path.join(dataDir, "runs", encodeRunId(run), "transcript");
}

function writer(dataDir: string, limit = 1 << 20): TranscriptWriter {
  mkdirSync(folderOf(dataDir), { recursive: true });
  return new TranscriptWriter(folderOf(dataDir), limit);
}

function endRun(dataDir: string): void {
  writeFileSync(path.join(folderOf(dataDir), "..", "exit.json"), "{}");
}

function segments(dataDir: string): string[] {
  return readdirSync(folderOf(dataDir)).sort();
}

function textOf(chunks: readonly TranscriptChunk[]): string {
  return Buffer.concat(chunks.map((chunk) => chunk.bytes)).toString("latin1");
}

async function readAll(store: FileTranscriptStore, from = 0, maxBytes = 1 << 20): Promise<string> {
  let text = "";
  for (let offset = from; ; ) {
    const part = await store.read(run, { offset, maxBytes, waitMs: 0 });
    text += textOf(part.chunks);
    offset = part.nextOffset;
    if (part.chunks.length === 0) return text;
  }
}

it("does not know a run it never had", async ({ store }) => {
  assert.not.ok(await store.has(run));
  try {
    await store.read(run, { offset: 0, maxBytes: 1, waitMs: 0 });
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "NOT_FOUND"));
  }
});

it("says complete only when the run has ended and all was read", async ({ store, dataDir }) => {
  const file = writer(dataDir);
  file.append(Buffer.from("abc"), 5);
  const first = await store.read(run, { offset: 0, maxBytes: 100, waitMs: 0 });
  assert.equal([first.nextOffset, first.complete, first.chunks[0]?.time], [3, false, 5]);
  const second = await store.read(run, { offset: 3, maxBytes: 100, waitMs: 0 });
  assert.equal([second.chunks.length, second.complete], [0, false]);
  endRun(dataDir);
  const third = await store.read(run, { offset: 3, maxBytes: 100, waitMs: 0 });
  assert.equal([third.chunks.length, third.complete], [0, true]);
});

it("wakes a waiting reader when output comes, and when the run ends", async ({
  store,
  dataDir,
}) => {
  const file = writer(dataDir);
  const waiting = store.read(run, { offset: 0, maxBytes: 100, waitMs: 10_000 });
  file.append(Buffer.from("now"), 0);
  assert.is(textOf((await waiting).chunks), "now");
  const more = store.read(run, { offset: 3, maxBytes: 100, waitMs: 10_000 });
  endRun(dataDir);
  assert.ok((await more).complete);
});

it("stops waiting when its signal aborts", async ({ store, dataDir }) => {
  writer(dataDir);
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = store.read(run, { offset: 0, maxBytes: 100, waitMs: 60_000, signal });
  controller.abort(new Error("enough"));
  try {
    await waiting;
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /enough/);
  }
});

it("gives the same bytes from any offset, in parts of any size", async ({ store, dataDir }) => {
  const file = writer(dataDir, 16 * 4096);
  let text = "";
  for (let i = 0; text.length < 20_000; i += 1) {
    const piece = `${i}:${"x".repeat(i % 97)};`;
    file.append(Buffer.from(piece), i);
    text += piece;
  }
  assert.ok(segments(dataDir).length > 3, "several segments");
  const offsets = fc.integer({ min: 0, max: text.length });
  await fc.assert(
    fc.asyncProperty(offsets, fc.integer({ min: 1, max: 9000 }), async (from, maxBytes) => {
      assert.is(await readAll(store, from, maxBytes), text.slice(from));
    }),
    { numRuns: 60, seed: 4 },
  );
});

it("tolerates a record that is being written, and gives it when it is whole", async ({
  store,
  dataDir,
}) => {
  const file = writer(dataDir);
  file.append(Buffer.from("first"), 0);
  file.append(Buffer.from("second"), 0);
  const segment = path.join(folderOf(dataDir), segments(dataDir)[0] ?? "");
  const whole = readFileSync(segment);
  writeFileSync(segment, whole.subarray(0, whole.length - 4));
  assert.is(await readAll(store), "first");
  appendFileSync(segment, whole.subarray(whole.length - 4));
  assert.is(await readAll(store, 5), "second");
});

it("reports damage where it is, after giving what stands before it", async ({ store, dataDir }) => {
  const file = writer(dataDir);
  for (const word of ["first", "second", "third"]) file.append(Buffer.from(word), 0);
  const segment = path.join(folderOf(dataDir), segments(dataDir)[0] ?? "");
  const bytes = readFileSync(segment);
  bytes.write("S", bytes.indexOf("second"));
  writeFileSync(segment, bytes);
  const part = await store.read(run, { offset: 0, maxBytes: 100, waitMs: 0 });
  assert.is(textOf(part.chunks), "first");
  try {
    await store.read(run, { offset: part.nextOffset, maxBytes: 100, waitMs: 0 });
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "TRANSCRIPT_DAMAGED"));
  }
});

it("ends at zeros that a power cut left behind", async ({ store, dataDir }) => {
  const file = writer(dataDir);
  file.append(Buffer.from("first"), 0);
  appendFileSync(path.join(folderOf(dataDir), segments(dataDir)[0] ?? ""), Buffer.alloc(4096));
  endRun(dataDir);
  assert.is(await readAll(store), "first");
});

it("goes on behind dropped segments with a mark, also for a reader that fell behind", async ({
  store,
  dataDir,
}) => {
  const file = writer(dataDir, 16 * 4096);
  file.append(Buffer.from("begin;"), 0);
  const early = await store.read(run, { offset: 0, maxBytes: 100, waitMs: 0 });
  for (let i = 0; i < 300; i += 1) file.append(Buffer.alloc(1000, 120), i);
  file.append(Buffer.from(";end"), 0);
  assert.is(segments(dataDir).length, 16);
  const whole = await readAll(store);
  const [, dropped] =
    /\r\n\[muster: (\d+) bytes of output are not kept here\]\r\n/.exec(whole) ?? [];
  assert.ok(whole.startsWith("begin;x") && whole.endsWith("x;end"));
  const mark = `\r\n[muster: ${dropped} bytes of output are not kept here]\r\n`;
  assert.is(whole.length - mark.length + Number(dropped), 6 + 300_000 + 4);
  assert.is(await readAll(store, early.nextOffset), whole.slice(6));
  const inGap = 100_000;
  assert.match(
    await readAll(store, inGap),
    /^\r\n\[muster: \d+ bytes of output are not kept here\]/,
  );
});

/** A mesh of stores in one process. */
function mesh(stores: Readonly<Record<string, FileTranscriptStore>>, self: string): CopyPeers {
  const store = (peer: string): FileTranscriptStore => {
    const found = stores[peer];
    if (found === undefined) throw new Error(`${peer} is away`);
    return found;
  };
  return {
    candidates: () => ["away", "n2", "n3", "n4"].map(asPeerId),
    remoteRead: async (peer, id, range) => await store(peer).read(id, range),
    requestCopy: async (peer, id, signal) => {
      const copies = new TranscriptCopies({
        store: store(peer),
        peers: mesh(stores, peer),
        logger: silentLogger,
      });
      await copies.pull(id, asPeerId(self), signal);
    },
  };
}

it("is copied to two further peers, and read from them when its node is gone", async ({
  store,
  dataDir,
}) => {
  const file = writer(dataDir, 16 * 4096);
  for (let i = 0; i < 400; i += 1) file.append(Buffer.from(`line ${i} ${"x".repeat(500)}\r\n`), i);
  file.close();
  endRun(dataDir);
  const at = (name: string): FileTranscriptStore =>
    new FileTranscriptStore({ dataDir: path.join(dataDir, name) }, deps);
  const stores = { n1: store, n2: at("n2"), n3: at("n3"), n4: at("n4") };
  const copies = new TranscriptCopies({ store, peers: mesh(stores, "n1"), logger: silentLogger });
  const { signal } = new AbortController();
  const holders = await copies.spread(run, 2, signal);
  assert.equal(holders, ["n2", "n3"]);
  assert.not.ok(await stores.n4.has(run));
  const original = await readAll(store);
  for (const copy of [stores.n2, stores.n3]) {
    assert.is(await readAll(copy), original);
    assert.is(await readAll(copy, 0, 1024), original, "in small parts, the gap included");
    const end = await copy.read(run, { offset: 1 << 30, maxBytes: 1, waitMs: 0 });
    assert.ok(end.complete);
  }
  const reader = new TranscriptReader({
    store: stores.n4,
    peers: mesh({ n3: stores.n3 }, "n4"),
  });
  const texts: string[] = [];
  const holdersKnown = ["n1", "n2", "n3"].map(asPeerId);
  const read: ReadTranscript = (range) => reader.read(run, holdersKnown, range);
  for await (const line of transcriptLines(read, { follow: true })) texts.push(line.text);
  assert.match(texts[0] ?? "", /^line 0 x+$/);
  assert.match(texts.at(-1) ?? "", /^line 399 x+$/);
  assert.is(texts.filter((text) => text.startsWith("[muster:")).length, 1);
});

it("says what every holder answered when none can be asked", async ({ store, dataDir }) => {
  const reader = new TranscriptReader({ store, peers: mesh({}, "n1") });
  try {
    await reader.read(run, [asPeerId("n7")], { offset: 0, maxBytes: 1, waitMs: 0 });
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "TRANSCRIPT_UNAVAILABLE"), dataDir);
    assert.match(error.message, /n7: n7 is away/);
  }
});

it("takes a copy in order only, and begins again from the start", async ({ store }) => {
  const part = (
    offset: number,
    text: string,
    complete = false,
  ): Parameters<typeof store.writeCopy>[1] => ({
    chunks: text === "" ? [] : [{ offset, time: 0, bytes: Buffer.from(text) }],
    nextOffset: offset + text.length,
    complete,
  });
  await store.writeCopy(run, part(0, "abc"));
  try {
    await store.writeCopy(run, part(7, "xyz"));
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "TRANSCRIPT_OUT_OF_ORDER"));
    assert.is(error.details["expected"], 3);
  }
  assert.not.ok(await store.has(run), "half a copy is none");
  await store.writeCopy(run, part(0, "ABC"));
  await store.writeCopy(run, part(3, "DEF"));
  await store.writeCopy(run, part(6, "", true));
  assert.is(await readAll(store), "ABCDEF");
});

it("copies a run without output", async ({ store }) => {
  await store.writeCopy(run, { chunks: [], nextOffset: 0, complete: true });
  const part = await store.read(run, { offset: 0, maxBytes: 10, waitMs: 0 });
  assert.ok(part.complete);
});

it("keeps copies within their room, the newest ones", async ({ dataDir }) => {
  const store = new FileTranscriptStore({ dataDir, copiesBytes: 3000 }, deps);
  for (let i = 0; i < 4; i += 1) {
    const bytes = Buffer.alloc(1400);
    await store.writeCopy(`j${i}`, {
      chunks: [{ offset: 0, time: 0, bytes }],
      nextOffset: 1400,
      complete: false,
    });
    await store.writeCopy(`j${i}`, { chunks: [], nextOffset: 1400, complete: true });
  }
  const kept = await Promise.all([0, 1, 2, 3].map((i) => store.has(`j${i}`)));
  assert.equal(kept, [false, false, true, true]);
});

it.run();
