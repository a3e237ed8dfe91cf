/**
 * Ends a set of processes: SIGTERM, a grace time, then SIGKILL until none is left. The set is looked up again
 * every time, as its members go on forking while they die.
 */
import { kill } from "node:process";
import { type Clock, delay } from "../base/clock.ts";
import { type ProcessEntry } from "./process-table.ts";

const pollMs = 25;
/** A process in an uninterruptible system call ignores even SIGKILL; it is not waited for without end. */
const unkillableMs = 10_000;

export interface StopReport {
  /** Names and pids of what had to be told to end. */
  readonly told: readonly string[];
  readonly killed: boolean;
  /** What would not die. */
  readonly left: readonly string[];
}

/** @throws the reason of `signal` when it aborts: the rest is left to whoever looks next. */
export async function stopProcesses(
  find: () => readonly ProcessEntry[],
  graceMs: number,
  { clock, signal: stop }: { readonly clock: Clock; readonly signal?: AbortSignal },
): Promise<StopReport> {
  const told = new Map<number, string>();
  const begun = clock.monotonicMs();
  let killed = false;
  for (let found = find(); ; found = find()) {
    const elapsedMs = clock.monotonicMs() - begun;
    if (found.length === 0 || elapsedMs > graceMs + unkillableMs) {
      return { told: [...told.values()], killed, left: found.map(describe) };
    }
    for (const entry of found) {
      if (elapsedMs >= graceMs) {
        killed = true;
        signal(entry.pid, "SIGKILL");
      } else if (!told.has(entry.pid)) {
        signal(entry.pid, "SIGTERM");
        signal(entry.pid, "SIGCONT"); // A stopped process acts on SIGTERM only once it runs again.
      }
      told.set(entry.pid, describe(entry));
    }
    await delay(clock, pollMs, stop);
  }
}

/** Sends a signal to a process that may have ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    kill(pid, name);
  } catch {
    // ESRCH: it has ended, which is what was wanted. EPERM: it is left, and reported so.
  }
}

function describe(entry: ProcessEntry): string {
  return `${entry.command} (${entry.pid})`;
}
