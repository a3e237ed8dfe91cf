/**
 * Tells the engine that time passed. While nothing is about to happen several ticks are handed over together, so that
 * an idle agent sleeps: a follower's clock goes by its leader's messages, and its timer only by their absence. A time
 * in which the process stood still counts for what was due, not for all that passed.
 */
import { type Clock } from "../../base/clock.ts";

export interface TickTimerParts {
  readonly clock: Clock;
  /** How many ticks may be told together from now on; 1 while each counts. */
  readonly ticksAhead: (nowMs: number) => number;
  readonly tick: (count: number) => void;
  /** By how much a timer missed its time. */
  readonly late: (ms: number) => void;
}

/** Timers may fire so much before their time. */
const earlyMs = 1;

export class TickTimer {
  readonly #tickMs: number;
  readonly #parts: TickTimerParts;
  /** Up to when ticks were told. */
  #tickedMs = 0;
  #mostTicks = 1;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(tickMs: number, parts: TickTimerParts) {
    this.#tickMs = tickMs;
    this.#parts = parts;
  }

  start(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#tickedMs = nowMs;
    this.#goOn(nowMs);
  }

  /**
   * What was calm is not any more: the next tick comes in its own time. It is never put off, or whoever opens and
   * closes connections could stop this agent's clock.
   */
  soon(): void {
    if (this.#stopped || this.#mostTicks === 1) return;
    this.#arm(this.#tickedMs + this.#tickMs);
  }

  /** This agent is awake anyway: what is due is told now, and the timer begins anew. */
  awake(nowMs: number): void {
    if (this.#stopped || this.#mostTicks === 1) return;
    const passed = this.#passed(nowMs);
    if (passed > 0) this.#tell(passed, nowMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #goOn(nowMs: number): void {
    this.#mostTicks = this.#parts.ticksAhead(nowMs);
    this.#arm(this.#tickedMs + this.#mostTicks * this.#tickMs);
  }

  #arm(dueMs: number): void {
    const { clock } = this.#parts;
    this.#cancel();
    this.#cancel = clock.setTimer(Math.max(0, dueMs - clock.monotonicMs()), () => this.#due(dueMs));
  }

  #due(dueMs: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#parts.late(Math.max(0, nowMs - dueMs));
    this.#tell(Math.max(1, this.#passed(nowMs)), nowMs);
  }

  #passed(nowMs: number): number {
    return Math.floor((nowMs - this.#tickedMs + earlyMs) / this.#tickMs);
  }

  #tell(passed: number, nowMs: number): void {
    const count = Math.min(passed, this.#mostTicks);
    this.#tickedMs = count < passed ? nowMs : this.#tickedMs + count * this.#tickMs;
    this.#goOn(nowMs);
    this.#parts.tick(count);
  }
}
