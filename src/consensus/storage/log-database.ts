/**
 * The database of the log, as a port, and LevelDB behind it: how it is opened, and what its failures mean.
 */
import { access, constants, readdir } from "node:fs/promises";
import path from "node:path";
import { Level } from "level";
import { errorCode, errorMessage } from "../../base/errors.ts";
import { ConsensusError } from "../errors.ts";

export type BatchItem =
  | { readonly type: "put"; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: "del"; readonly key: Buffer };

/** What the log needs of a database: an ordered map of bytes with atomic batches. */
export interface LogDatabase {
  readonly location: string;
  /** The value, or undefined when there is none. */
  get(key: Buffer): Promise<Buffer | undefined>;
  /** Atomic; durable when `sync` is set, as is then every batch before it. */
  batch(items: readonly BatchItem[], options: { readonly sync: boolean }): Promise<void>;
  /** Entries with `gte` ≤ key < `lt`, in the order of their keys. */
  entries(range: { readonly gte: Buffer; readonly lt: Buffer }): AsyncIterable<[Buffer, Buffer]>;
  close(): Promise<void>;
}

/** Opens the database in a directory, or says that it finds itself damaged. */
export type OpenDatabase = (
  directory: string,
  writeBufferBytes: number,
) => Promise<{ readonly db: LogDatabase } | { readonly fault: string }>;

export const openLevel: OpenDatabase = async (directory, writeBufferBytes) => {
  await checkReadable(directory);
  const db = new Level<Buffer, Buffer>(directory, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    compression: false,
    writeBufferSize: writeBufferBytes,
    cacheSize: 1024 * 1024,
    maxFileSize: 32 * 1024 * 1024,
  });
  try {
    await db.open();
    return { db: overLevel(db) };
  } catch (error) {
    const cause = causeOf(error);
    const detail = errorMessage(cause);
    if (errorCode(cause) === "LEVEL_CORRUPTION" || isFileMissing(detail)) return { fault: detail };
    if (errorCode(cause) === "LEVEL_LOCKED") {
      const message = `Cannot open the log in "${directory}": another process uses it. Stop that agent first.`;
      throw new ConsensusError("LOG_LOCKED", message, { directory }, { cause });
    }
    throw cannotOpen(directory, cause);
  }
};

function cannotOpen(directory: string, cause: unknown): ConsensusError {
  const message = `Cannot open the log in "${directory}": ${errorMessage(cause)}. Check rights and free space.`;
  return new ConsensusError("LOG_OPEN_FAILED", message, { directory }, { cause });
}

function overLevel(db: Level<Buffer, Buffer>): LogDatabase {
  return {
    location: db.location,
    get: (key) => db.get(key),
    batch: (items, options) => db.batch([...items], options),
    entries: (range) => db.iterator(range),
    close: () => db.close(),
  };
}

/**
 * LevelDB goes on without a log that it cannot open, as if it were empty: rights that somebody took away would look
 * like damage, and entries be given up that are all there.
 */
async function checkReadable(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      await access(path.join(directory, name), constants.R_OK);
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw cannotOpen(directory, error);
  }
}

/** A file that others of its files name: LevelDB calls that an I/O error. It makes its folder and lock itself. */
function isFileMissing(detail: string): boolean {
  return detail.endsWith(": No such file or directory") && !detail.includes("/LOCK:");
}

/** The library wraps what LevelDB said. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}
