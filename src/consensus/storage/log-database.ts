/** The LevelDB instance of the log: how it is opened, and what its failures mean. */
import { Level } from "level";
import { errorCode, errorMessage } from "../../base/errors.ts";
import { ConsensusError } from "../errors.ts";

export type LogDatabase = Level<Buffer, Buffer>;

/** Opens the database, or says that LevelDB itself finds it damaged. */
export async function openDatabase(
  directory: string,
  writeBufferBytes: number,
): Promise<{ readonly db: LogDatabase } | { readonly fault: string }> {
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
    return { db };
  } catch (error) {
    const cause = causeOf(error);
    const detail = errorMessage(cause);
    if (errorCode(cause) === "LEVEL_CORRUPTION") return { fault: detail };
    if (errorCode(cause) === "LEVEL_LOCKED") {
      const message = `Cannot open the log in "${directory}": another process uses it. Stop that agent first.`;
      throw new ConsensusError("LOG_LOCKED", message, { directory }, { cause });
    }
    const message = `Cannot open the log in "${directory}": ${detail}. Check rights and free space.`;
    throw new ConsensusError("LOG_OPEN_FAILED", message, { directory }, { cause });
  }
}

/** The library wraps what LevelDB said. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}
