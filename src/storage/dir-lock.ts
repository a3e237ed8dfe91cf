/**
 * One process per data directory. Node.js has no flock; LevelDB has one (a kernel lock, gone with the process
 * however it ends), so an empty database serves as the lock file.
 */
import path from "node:path";
import { Level } from "level";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";

export interface DirLock {
  release(): Promise<void>;
}

/** @throws AgentError DATA_DIR_IN_USE, DATA_DIR_INVALID. */
export async function lockDirectory(directory: string): Promise<DirLock> {
  const options = { cacheSize: 64 * 1024, writeBufferSize: 64 * 1024, maxOpenFiles: 16 };
  const database = new Level(path.join(directory, "lock"), options);
  try {
    await database.open();
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (errorCode(cause) === "LEVEL_LOCKED") {
      throw new AgentError(
        "DATA_DIR_IN_USE",
        `Data directory "${directory}" is in use by another agent; stop that one, or give another with --data-dir`,
      );
    }
    throw new AgentError(
      "DATA_DIR_INVALID",
      `Cannot lock data directory "${directory}": ${errorMessage(cause ?? error)}`,
    );
  }
  return { release: () => database.close() };
}
