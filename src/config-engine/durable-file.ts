/**
 * Small files that must survive a power cut: written beside, synced, renamed into place, folder synced. Run
 * directories hold a handful of them, and the shim has nothing else to do, so the calls are synchronous.
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { pid } from "node:process";
import { errorCode } from "../base/errors.ts";

/** Writes a file and syncs its content; the name is durable only after `syncDirectory`. */
export function writeSynced(file: string, text: string, mode = 0o600): void {
  const descriptor = openSync(file, "w", mode);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces `file` whole, durably. */
export function replaceFile(file: string, text: string): void {
  const temporary = `${file}.${pid}.tmp`;
  try {
    writeSynced(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(path.dirname(file));
}

/** Creates `file` whole, durably; false when it already exists. Of many callers exactly one gets true. */
export function createFile(file: string, text: string): boolean {
  const temporary = `${file}.${pid}.tmp`;
  try {
    writeSynced(temporary, text);
    linkSync(temporary, file);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(path.dirname(file));
  return true;
}

/**
 * Room for a file whose writing must not fail for want of space: blocks are taken now, and `commit` fills
 * them in place and renames.
 */
export class ReservedFile {
  readonly #file: string;
  readonly #temporary: string;
  readonly #descriptor: number;
  readonly #bytes: number;

  constructor(file: string, bytes: number) {
    this.#file = file;
    this.#temporary = `${file}.${pid}.reserved`;
    this.#bytes = bytes;
    this.#descriptor = openSync(this.#temporary, "w", 0o600);
    try {
      writeSync(this.#descriptor, " ".repeat(bytes));
      fsyncSync(this.#descriptor);
    } catch (error) {
      closeSync(this.#descriptor);
      rmSync(this.#temporary, { force: true });
      throw error;
    }
  }

  /** Gives the room back. */
  release(): void {
    closeSync(this.#descriptor);
    rmSync(this.#temporary, { force: true });
  }

  /** JSON ignores the blanks that stay behind a shorter text. A longer text takes more room, which may fail. */
  commit(json: string): void {
    const blanks = Math.max(0, this.#bytes - Buffer.byteLength(json));
    writeSync(this.#descriptor, json + " ".repeat(blanks), 0);
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
    renameSync(this.#temporary, this.#file);
    syncDirectory(path.dirname(this.#file));
  }
}
