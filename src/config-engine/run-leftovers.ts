/**
 * What a shim that was killed left behind. A process is ended only when it is provably of this run: it is in
 * the command's session, and either that command itself is still the one we recorded, or the process carries
 * the run's own vars path in its environment. A pid that the kernel has used again fails both.
 */
import { type Clock } from "../base/clock.ts";
import { type StopReport, stopProcesses } from "./process-stop.ts";
import {
  type ProcessEntry,
  hasEnvironment,
  isAlive,
  listProcesses,
  parseIdentity,
} from "./process-table.ts";
import { readJsonFile } from "./run-files.ts";
import { type RunPaths } from "./run-paths.ts";

export async function endLeftovers(
  paths: RunPaths,
  varsPath: string,
  options: { readonly graceMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<StopReport> {
  const child = parseIdentity(readJsonFile(paths.child));
  const marker = `MUSTER_VARS=${varsPath}`;
  const ours = (entry: ProcessEntry): boolean => {
    if (child === null) return hasEnvironment(entry.pid, marker);
    if (entry.session !== child.pid) return false;
    return isAlive(child) || hasEnvironment(entry.pid, marker);
  };
  return await stopProcesses(() => listProcesses().filter(ours), options.graceMs, options);
}
