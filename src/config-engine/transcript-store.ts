/**
 * Transcripts on this machine: those of its own runs, which shims write, and copies of other nodes' ended ones.
 * Readers only ever read files, each at its own pace, so no reader can slow a run or another reader.
 */
import { existsSync, watch } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Clock, abortReason } from "../base/clock.ts";
import { engineError } from "./errors.ts";
import { type TranscriptPart, type TranscriptRange, type TranscriptStore } from "./ports.ts";
import { encodeRunId, runPaths } from "./run-paths.ts";
import { SegmentReader } from "./segment-reader.ts";
import { encodeRecord, recordBytesLimit, segmentName } from "./transcript-format.ts";

export interface TranscriptStoreOptions {
  readonly dataDir: string;
  /** Room for copies of other nodes' transcripts; the oldest go first. Default 1 GiB. */
  readonly copiesBytes?: number;
}

interface Location {
  readonly directory: string;
  /** The file that is there when nothing will be added any more. */
  readonly endFile: string;
}

const smallestRead = 1024;
/** Covers file systems and machines where changes are not announced. */
const pollMs = 250;

export class FileTranscriptStore implements TranscriptStore {
  readonly #runs: string;
  readonly #copies: string;
  readonly #copiesBytes: number;
  readonly #clock: Clock;
  readonly #reader = new SegmentReader();
  /** Offset that each copy in the making goes on from. */
  readonly #expected = new Map<string, number>();

  constructor(options: TranscriptStoreOptions, dependencies: { readonly clock: Clock }) {
    this.#runs = path.join(options.dataDir, "runs");
    this.#copies = path.join(options.dataDir, "transcripts");
    this.#copiesBytes = options.copiesBytes ?? 1024 * 1024 * 1024;
    this.#clock = dependencies.clock;
  }

  has(run: string): Promise<boolean> {
    return Promise.resolve(this.#locate(run) !== null);
  }

  async read(run: string, range: TranscriptRange): Promise<TranscriptPart> {
    const { offset, maxBytes, waitMs, signal } = range;
    const location = this.#locate(run);
    if (location === null) {
      throw engineError("NOT_FOUND", `No transcript of run "${run}" is on this machine`, { run });
    }
    const deadline = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      signal?.throwIfAborted();
      // Looked at before reading: what ended before we read can have nothing after what we read.
      const ended = existsSync(location.endFile);
      const limit = Math.max(smallestRead, maxBytes);
      const part = await this.#reader.read(location.directory, offset, limit);
      const complete = ended && part.chunks.length === 0;
      const leftMs = deadline - this.#clock.monotonicMs();
      if (part.chunks.length > 0 || complete || leftMs <= 0) return { ...part, complete };
      await this.#changed(location, Math.min(leftMs, pollMs), signal);
    }
  }

  async writeCopy(run: string, part: TranscriptPart): Promise<void> {
    const final = path.join(this.#copies, encodeRunId(run));
    if (this.#locate(run) !== null) return;
    const partial = `${final}.partial`;
    const first = part.chunks[0]?.offset;
    if (first === 0) await this.#beginCopy(run, partial);
    const expected = this.#expected.get(run) ?? 0;
    if (first !== undefined && first !== expected) {
      throw engineError(
        "TRANSCRIPT_OUT_OF_ORDER",
        `Copying the transcript of run "${run}" failed: got offset ${first}, expected ${expected}`,
        { run, expected },
      );
    }
    await mkdir(partial, { recursive: true, mode: 0o700 });
    await appendChunks(path.join(partial, segmentName(0)), part);
    this.#expected.set(run, part.nextOffset);
    if (!part.complete) return;
    await writeFile(path.join(partial, "complete"), "", { mode: 0o600 });
    await rename(partial, final);
    this.#expected.delete(run);
    await this.#removeOldCopies();
  }

  #locate(run: string): Location | null {
    const name = encodeRunId(run);
    const own = runPaths(path.join(this.#runs, name));
    if (existsSync(own.transcript)) return { directory: own.transcript, endFile: own.exit };
    const copy = path.join(this.#copies, name);
    return existsSync(copy) ? { directory: copy, endFile: path.join(copy, "complete") } : null;
  }

  async #beginCopy(run: string, partial: string): Promise<void> {
    await rm(partial, { recursive: true, force: true });
    this.#expected.set(run, 0);
  }

  /** Resolves when something in the folder, or the end file, may have changed, or after `limitMs`. */
  async #changed(location: Location, limitMs: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(abortReason(signal));
    const cancelTimer = this.#clock.setTimer(limitMs, resolve);
    signal?.addEventListener("abort", onAbort, { once: true });
    const watchers = watchAll([location.directory, path.dirname(location.endFile)], resolve);
    try {
      await promise;
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
      for (const close of watchers) close();
    }
  }

  async #removeOldCopies(): Promise<void> {
    const copies = [];
    for (const name of await readdir(this.#copies)) {
      const directory = path.join(this.#copies, name);
      const file = await stat(path.join(directory, segmentName(0))).catch(() => null);
      copies.push({ directory, bytes: file?.size ?? 0, age: file?.mtimeMs ?? 0 });
    }
    copies.sort((a, b) => b.age - a.age);
    let bytes = 0;
    for (const copy of copies) {
      bytes += copy.bytes;
      if (bytes > this.#copiesBytes) await rm(copy.directory, { recursive: true, force: true });
    }
  }
}

async function appendChunks(file: string, part: TranscriptPart): Promise<void> {
  const handle = await open(file, "a", 0o600);
  try {
    for (const { offset, time, bytes } of part.chunks) {
      for (let at = 0; at < bytes.length; at += recordBytesLimit) {
        const piece = bytes.subarray(at, at + recordBytesLimit);
        await handle.writeFile(encodeRecord({ offset: offset + at, time, bytes: piece }));
      }
    }
    if (part.complete) await handle.sync();
  } finally {
    await handle.close();
  }
}

function watchAll(directories: readonly string[], onChange: () => void): (() => void)[] {
  const closers: (() => void)[] = [];
  for (const directory of new Set(directories)) {
    try {
      const watcher = watch(directory, { persistent: false }, onChange);
      watcher.on("error", () => {}); // The poll goes on.
      closers.push(() => watcher.close());
    } catch {
      // No watches are left on this machine: the poll is enough.
    }
  }
  return closers;
}
