/** The data directory: private to the agent's user, and usable. */
import { mkdir, stat } from "node:fs/promises";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type AgentCode } from "./errors.ts";

/** @throws AgentError DATA_DIR_INVALID. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    if (!(await stat(dataDir)).isDirectory()) throw invalid(dataDir, "it is not a directory");
  } catch (error) {
    throw error instanceof AgentError ? error : invalid(dataDir, errorMessage(error));
  }
}

function invalid(dataDir: string, reason: string): AgentError<AgentCode> {
  const message = `Cannot use data directory "${dataDir}": ${reason}; give another with --data-dir`;
  return new AgentError("DATA_DIR_INVALID", message);
}
