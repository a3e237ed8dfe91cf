/**
 * Time that moves only when a test says so. Between two timers all promises settle, so that drivers built of
 * callbacks and promises run deterministically.
 */
import { setImmediate as settled } from "node:timers/promises";
import { type Clock } from "../../src/base/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  readonly #startWallMs: number;
  readonly #timers = new Set<Timer>();
  #now = 0;
  #order = 0;

  constructor(startWallMs = Date.UTC(2026, 5, 1)) {
    this.#startWallMs = startWallMs;
  }

  monotonicMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return this.#startWallMs + this.#now;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    this.#order += 1;
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Runs everything that is due within the next `ms`. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let timer = this.#next(end); timer !== null; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      await settled();
    }
    this.#now = end;
  }

  /**
   * Moves time until `fact` holds.
   * @throws Error when it does not within `limitMs`.
   */
  async until(what: string, fact: () => boolean, limitMs = 60_000): Promise<number> {
    const begun = this.#now;
    while (!fact()) {
      if (this.#now - begun > limitMs) throw new Error(`${limitMs} ms passed in vain: ${what}`);
      await this.advance(10);
    }
    return this.#now - begun;
  }

  #next(end: number): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      const sooner = next === null || timer.at < next.at;
      if (sooner || (next !== null && timer.at === next.at && timer.order < next.order))
        next = timer;
    }
    return next;
  }
}
