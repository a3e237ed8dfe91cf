/**
 * The data directory: private to the agent's user, and usable. One that an administrator or a service manager made
 * may be open to others, and stays as it is: it may hold other things. What holds secrets in it (the log and its
 * snapshots carry the values of all variables) is closed by itself.
 */
import { chmod, mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type AgentCode } from "./errors.ts";

/** @throws AgentError DATA_DIR_INVALID. */
export async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await makeFolder(path.resolve(dataDir));
    if (!(await stat(dataDir)).isDirectory()) throw invalid(dataDir, "it is not a directory");
    const raft = path.join(dataDir, "raft");
    await makeFolder(raft);
    await chmod(raft, 0o700);
  } catch (error) {
    throw error instanceof AgentError ? error : invalid(dataDir, errorMessage(error));
  }
}

/**
 * Level by level, as Node.js's own recursive mkdir never ends where a parent exists and yet nothing can be made in
 * it with ENOENT (/proc).
 */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return;
    const parent = path.dirname(folder);
    if (code !== "ENOENT" || (await exists(parent))) throw error;
    await makeFolder(parent);
    await mkdir(folder, { mode: 0o700 });
  }
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function invalid(dataDir: string, reason: string): AgentError<AgentCode> {
  const message = `Cannot use data directory "${dataDir}": ${reason}; give another with --data-dir`;
  return new AgentError("DATA_DIR_INVALID", message);
}
