/**
 * The data directory: private to the agent's user, and usable. One that an administrator or a service manager made
 * may be open to others, and stays as it is: it may hold other things. What holds secrets in it (the log and its
 * snapshots carry the values of all variables) is closed by itself.
 */
import { chmod, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type AgentCode } from "./errors.ts";

/** @throws AgentError DATA_DIR_INVALID. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    if (!(await stat(dataDir)).isDirectory()) throw invalid(dataDir, "it is not a directory");
    const raft = path.join(dataDir, "raft");
    await mkdir(raft, { recursive: true, mode: 0o700 });
    await chmod(raft, 0o700);
  } catch (error) {
    throw error instanceof AgentError ? error : invalid(dataDir, errorMessage(error));
  }
}

function invalid(dataDir: string, reason: string): AgentError<AgentCode> {
  const message = `Cannot use data directory "${dataDir}": ${reason}; give another with --data-dir`;
  return new AgentError("DATA_DIR_INVALID", message);
}
