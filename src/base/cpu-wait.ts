/**
 * How long the main thread was ready to run and had no processor: what an overloaded machine does to an agent, also
 * where each of its timers is hardly late, because whoever slept is let in first and then waits between any two slices.
 */
import { openSync, readSync } from "node:fs";
import { type Clock } from "./clock.ts";

/** Shorter spans tell of a single burst. */
const leastMs = 900;

export class CpuWait {
  readonly #clock: Clock;
  readonly #waitedMs: () => number | null;
  #last: { readonly atMs: number; readonly waitedMs: number } | null = null;

  /** @param waitedMs since the start of the thread; null where the system does not say. */
  constructor(clock: Clock, waitedMs: () => number | null) {
    this.#clock = clock;
    this.#waitedMs = waitedMs;
  }

  /** The share of the time since it was taken last, 0 to 1; null when that is too short to tell, or the system is silent. */
  take(): number | null {
    const atMs = this.#clock.monotonicMs();
    const last = this.#last;
    if (last !== null && atMs - last.atMs < leastMs) return null;
    const waitedMs = this.#waitedMs();
    if (waitedMs === null) return null;
    this.#last = { atMs, waitedMs };
    if (last === null) return null;
    return Math.min(1, Math.max(0, (waitedMs - last.waitedMs) / (atMs - last.atMs)));
  }
}

const nanosecondsPerMs = 1e6;

/**
 * What the kernel counts of this process' main thread, in ms (Documentation/scheduler/sched-stats.rst: time on the
 * processor and time waiting on a run queue in ns, and slices). It stays open: a read costs a few microseconds.
 */
export function kernelsCpuWait(file = "/proc/self/schedstat"): () => number | null {
  const buffer = Buffer.alloc(128);
  let descriptor: number | null;
  try {
    descriptor = openSync(file, "r");
  } catch {
    descriptor = null; // another system, or a kernel built without it
  }
  return () => {
    if (descriptor === null) return null;
    const length = readSync(descriptor, buffer, 0, buffer.length, 0);
    const waited = Number(buffer.toString("latin1", 0, length).split(" ")[1]);
    return Number.isFinite(waited) ? waited / nanosecondsPerMs : null;
  };
}
