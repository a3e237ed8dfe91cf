/**
 * What an agent held when its history lost, kept for people: the records as they were, one JSON line each, compressed.
 * All of it that counts is merged or in the journal by then, so the archive is a convenience: it never keeps an agent
 * from starting over, and never takes the room that the log needs.
 */
import { createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { Transform, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Clock } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type DepartedHistory, type HistoryKeeper } from "../consensus/lineage/ports.ts";
import { type StoredRecord } from "../inventory/record-types.ts";

export interface HistoryArchiveDeps {
  /** Made when there is something to keep. */
  readonly directory: string;
  /** The whole state of now. */
  readonly image: () => readonly StoredRecord[];
  readonly clock: Pick<Clock, "wallMs">;
  readonly logger: Logger;
  readonly limits?: Partial<ArchiveLimits>;
}

export interface ArchiveLimits {
  /** Of all archives together; the oldest make room. */
  readonly maxBytes: number;
  /** Older ones go when another one comes. */
  readonly maxAgeMs: number;
  /** What an archive leaves free on the disk. */
  readonly reserveBytes: number;
}

const defaults: ArchiveLimits = {
  maxBytes: 1024 * 1024 * 1024,
  maxAgeMs: 30 * 24 * 3_600_000,
  reserveBytes: 64 * 1024 * 1024,
};
const suffix = ".jsonl.gz";
const unfinished = ".unfinished";
/** Turns so often to other work while it writes. */
const linesAtOnce = 200;

export class HistoryArchive implements HistoryKeeper {
  readonly #deps: HistoryArchiveDeps;
  readonly #limits: ArchiveLimits;

  constructor(deps: HistoryArchiveDeps) {
    this.#deps = deps;
    this.#limits = { ...defaults, ...deps.limits };
  }

  /** Never rejects. A history that is kept already is not written again. */
  async keep(history: DepartedHistory, signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#deps;
    const { n, id } = history.generation;
    const name = `${n}-${id}${suffix}`;
    const file = path.join(directory, name);
    const partial = `${file}${unfinished}`;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await this.#prune();
      if ((await readdir(directory)).includes(name)) return;
      await this.#write(partial, history, signal);
      signal.throwIfAborted();
      await rename(partial, file);
      await this.#prune();
      logger.info({ file }, "kept what this agent had in the history that lost");
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      // Whoever ended it knows.
      if (signal.aborted) return;
      logger.warn({ file, error: errorMessage(error) }, "could not keep a copy; goes on without");
    }
  }

  async #write(file: string, history: DepartedHistory, signal: AbortSignal): Promise<void> {
    const { directory, image, clock } = this.#deps;
    const { bavail, bsize } = await statfs(directory);
    const free = bavail * bsize - this.#limits.reserveBytes;
    // The agent may have started over while the disk hung: its state would be another's by now.
    signal.throwIfAborted();
    const about = { format: "muster-archive", ...history, at: clock.wallMs() };
    await pipeline(
      Readable.from(batches(about, image())),
      createGzip(),
      upTo(Math.min(this.#limits.maxBytes, free)),
      createWriteStream(file, { mode: 0o600 }),
      { signal },
    );
    const handle = await open(file);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Drops what is too old, what was not finished, and the oldest until the rest fits; the newest stays. */
  async #prune(): Promise<void> {
    const { directory, clock } = this.#deps;
    const kept: { readonly file: string; readonly bytes: number; readonly at: number }[] = [];
    for (const name of await readdir(directory)) {
      const file = path.join(directory, name);
      if (name.endsWith(unfinished)) await rm(file, { force: true });
      if (!name.endsWith(suffix)) continue;
      const { size, mtimeMs } = await stat(file);
      kept.push({ file, bytes: size, at: mtimeMs });
    }
    kept.sort((a, b) => b.at - a.at);
    let bytes = 0;
    for (const [place, one] of kept.entries()) {
      bytes += one.bytes;
      const isOld = clock.wallMs() - one.at > this.#limits.maxAgeMs;
      if (place > 0 && (isOld || bytes > this.#limits.maxBytes)) await rm(one.file);
    }
  }
}

function* batches(about: object, image: readonly StoredRecord[]): Generator<string, void> {
  yield `${JSON.stringify(about)}\n`;
  for (let at = 0; at < image.length; at += linesAtOnce) {
    const some = image.slice(at, at + linesAtOnce);
    // Keys of datagrams are of no use to a reader.
    const lines = some.filter(({ key }) => key !== "keyring").map((one) => JSON.stringify(one));
    yield lines.map((line) => `${line}\n`).join("");
  }
}

function upTo(limit: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      bytes += chunk.length;
      if (bytes <= limit) done(null, chunk);
      else done(new AgentError("LIMIT", `It would be larger than ${Math.max(0, limit)} bytes`));
    },
  });
}
