/**
 * Takes the data directory for a new agent. A supervisor that attests the end of the one before holds it until then; it
 * is simply ended, as all it ever said is on disk before it says it.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Clock, delay } from "../../base/clock.ts";
import { isAgentError } from "../../base/errors.ts";
import {
  type ProcessIdentity,
  isAlive,
  parseIdentity,
  readProcess,
} from "../../config-engine/process-table.ts";
import { signal as send } from "../../config-engine/process-stop.ts";
import { type DirLock, lockDirectory } from "../../storage/dir-lock.ts";

/** A shell still: its agent lives, or ended within the last milliseconds. */
const waitingCommand = "sh";
const waitingMs = 500;
const endingMs = 5000;
const pollMs = 25;

export function supervisorFile(dataDir: string): string {
  return path.join(dataDir, "supervisor.json");
}

/** @throws AgentError DATA_DIR_IN_USE, DATA_DIR_INVALID. */
export async function takeDataDir(
  dataDir: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<DirLock> {
  const begunMs = clock.monotonicMs();
  for (;;) {
    try {
      return await lockDirectory(dataDir);
    } catch (error) {
      const supervisor = await readSupervisor(dataDir);
      if (!isAgentError(error, "DATA_DIR_IN_USE") || supervisor === null) throw error;
      const waits = readProcess(supervisor.pid)?.command === waitingCommand;
      if (clock.monotonicMs() - begunMs > (waits ? waitingMs : endingMs)) throw error;
      if (!waits && isAlive(supervisor)) send(supervisor.pid, "SIGKILL");
    }
    await delay(clock, pollMs, signal);
  }
}

export async function readSupervisor(dataDir: string): Promise<ProcessIdentity | null> {
  try {
    return parseIdentity(JSON.parse(await readFile(supervisorFile(dataDir), "utf8")));
  } catch {
    return null; // there is none, or its file is torn: then the lock decides alone
  }
}
