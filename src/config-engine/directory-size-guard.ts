/** Aborts what fills a folder beyond a limit: git has no limit of its own for what it fetches. */
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { type Clock } from "../base/clock.ts";

const lookMs = 250;

export class DirectorySizeGuard {
  readonly #directory: string;
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #cancelTimer: () => void = () => {};

  constructor(directory: string, limit: number, clock: Clock) {
    this.#directory = directory;
    this.#limit = limit;
    this.#clock = clock;
    this.#look();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get exceeded(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Stops looking, after one last look: a short fetch may have ended between two. */
  stop(): void {
    this.#cancelTimer();
    if (sizeOf(this.#directory) > this.#limit) this.#controller.abort();
  }

  #look(): void {
    if (sizeOf(this.#directory) > this.#limit) return this.#controller.abort();
    this.#cancelTimer = this.#clock.setTimer(lookMs, () => this.#look());
  }
}

/** Bytes of the files directly in a folder; 0 when it is not there yet. */
function sizeOf(directory: string): number {
  let bytes = 0;
  try {
    for (const name of readdirSync(directory)) {
      bytes += statSync(path.join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
    }
  } catch {
    return bytes;
  }
  return bytes;
}
