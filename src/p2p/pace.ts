/** Keeps a transfer to a rate, from when it began: what came slower than that may be caught up for, but only for a second. */
import { type Clock } from "../base/clock.ts";

const creditMs = 1000;

export class Pace {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #bytesPerMs: number;
  /** When everything that was taken so far is due to be through. */
  #dueMs: number;

  constructor(clock: Pick<Clock, "monotonicMs">, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#dueMs = clock.monotonicMs();
  }

  /** How long to wait after these bytes, ms. */
  take(bytes: number): number {
    const now = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, now - creditMs) + bytes / this.#bytesPerMs;
    return Math.max(0, this.#dueMs - now);
  }
}
