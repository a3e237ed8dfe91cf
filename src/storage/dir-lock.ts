/**
 * One process per data directory. Node.js has no flock; LevelDB has one (a kernel lock, gone with the process
 * however it ends), so an empty database serves as the lock file.
 */
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { Level } from "level";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";

export interface DirLock {
  release(): Promise<void>;
}

/** The file that is locked; it stays, as whoever holds it would not notice that there is another. */
const lockFile = "LOCK";

/** @throws AgentError DATA_DIR_IN_USE, DATA_DIR_FULL, DATA_DIR_INVALID. */
export async function lockDirectory(directory: string): Promise<DirLock> {
  const folder = path.join(directory, "lock");
  try {
    return await openLock(folder);
  } catch (error) {
    if (codeOf(error) === "LEVEL_LOCKED") throw inUse(directory);
  }
  try {
    await clear(folder); // nothing is kept in it, so what a power cut left of its files is no loss
    return await openLock(folder);
  } catch (error) {
    throw codeOf(error) === "LEVEL_LOCKED" ? inUse(directory) : unusable(directory, error);
  }
}

async function openLock(folder: string): Promise<DirLock> {
  const options = { cacheSize: 64 * 1024, writeBufferSize: 64 * 1024, maxOpenFiles: 16 };
  const database = new Level(folder, options);
  await database.open();
  return { release: () => database.close() };
}

async function clear(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name !== lockFile) await rm(path.join(folder, name), { recursive: true });
  }
}

/** The library wraps what LevelDB said. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function codeOf(error: unknown): string | undefined {
  return errorCode(causeOf(error));
}

function inUse(directory: string): AgentError {
  const message = `Data directory "${directory}" is in use by another agent; stop that one, or give another with --data-dir`;
  return new AgentError("DATA_DIR_IN_USE", message);
}

function unusable(directory: string, error: unknown): AgentError {
  const reason = errorMessage(causeOf(error));
  if (!/ENOSPC|No space left on device|EDQUOT|Disk quota exceeded/.test(reason)) {
    const message = `Cannot lock data directory "${directory}": ${reason}`;
    return new AgentError("DATA_DIR_INVALID", message);
  }
  const message = `The disk of data directory "${directory}" is full: make room, then start the agent again (${reason})`;
  return new AgentError("DATA_DIR_FULL", message);
}
