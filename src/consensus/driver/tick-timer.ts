/**
 * Tells the engine that time passed. While nothing is about to happen the ticks between two heartbeats are handed over
 * together, so that an idle agent sleeps. A time in which the process stood still counts for what was due, not for all
 * that passed.
 */
import { type Clock } from "../../base/clock.ts";

export interface TickTimerOptions {
  readonly tickMs: number;
  /** Handed over at once while it is calm. */
  readonly ticksWhenCalm: number;
}

export interface TickTimerParts {
  readonly clock: Clock;
  readonly isCalm: (nowMs: number) => boolean;
  readonly tick: (count: number) => void;
  /** By how much a timer missed its time. */
  readonly late: (ms: number) => void;
}

/** Timers may fire so much before their time. */
const earlyMs = 1;

export class TickTimer {
  readonly #options: TickTimerOptions;
  readonly #parts: TickTimerParts;
  #tickedMs = 0;
  #mostTicks = 1;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: TickTimerOptions, parts: TickTimerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    const { tickMs, ticksWhenCalm } = this.#options;
    const nowMs = this.#parts.clock.monotonicMs();
    this.#tickedMs = nowMs;
    this.#mostTicks = this.#parts.isCalm(nowMs) ? ticksWhenCalm : 1;
    this.#arm(nowMs + this.#mostTicks * tickMs);
  }

  /**
   * What was calm is not any more: the next tick comes in its own time. It is never put off, or whoever opens and
   * closes connections could stop this agent's clock.
   */
  soon(): void {
    if (this.#stopped || this.#mostTicks === 1) return;
    this.#arm(this.#tickedMs + this.#options.tickMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #arm(dueMs: number): void {
    const { clock } = this.#parts;
    this.#cancel();
    this.#cancel = clock.setTimer(Math.max(0, dueMs - clock.monotonicMs()), () => this.#due(dueMs));
  }

  #due(dueMs: number): void {
    const { clock, late, tick } = this.#parts;
    const nowMs = clock.monotonicMs();
    late(Math.max(0, nowMs - dueMs));
    const passed = Math.floor((nowMs - this.#tickedMs + earlyMs) / this.#options.tickMs);
    const count = Math.min(Math.max(1, passed), this.#mostTicks);
    this.start();
    tick(count);
  }
}
