/**
 * Level-triggered work: `wake` asks for a turn, a turn looks at everything and says when to look
 * again. Turns never overlap, a wake during a turn leads to one more, and a gap between turns keeps
 * a storm of events from becoming a busy loop. A turn that throws is logged and tried again after
 * `retryMs`.
 */
import { type Clock } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";

export interface TurnLoopOptions {
  readonly name: string;
  /** Least time from the end of one turn to the start of the next. */
  readonly gapMs: number;
  readonly retryMs: number;
}

export interface TurnLoopDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * One turn; answers in how many milliseconds the next is due without any wake, or null for never.
   */
  readonly turn: (signal: AbortSignal) => Promise<number | null>;
}

/** A longer delay overflows the platform's timers; an early turn does no harm. */
const longestTimerMs = 3_600_000;

export class TurnLoop {
  readonly #options: TurnLoopOptions;
  readonly #deps: TurnLoopDeps;
  #controller: AbortController | null = null;
  #current: Promise<void> | null = null;
  #woken = false;
  #cancelTimer: (() => void) | null = null;
  #dueAt = Infinity;
  #earliest = 0;

  constructor(options: TurnLoopOptions, deps: TurnLoopDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    this.#controller = new AbortController();
    this.wake();
  }

  /** Resolves when no turn is running and none will. */
  async stop(): Promise<void> {
    this.#controller?.abort(new DOMException("Stopped", "AbortError"));
    this.#controller = null;
    this.#clearTimer();
    await this.#current;
  }

  wake(): void {
    if (this.#controller === null) return;
    if (this.#current !== null) this.#woken = true;
    else this.#schedule(this.#deps.clock.monotonicMs());
  }

  #schedule(at: number): void {
    const dueAt = Math.max(at, this.#earliest);
    if (this.#cancelTimer !== null && this.#dueAt <= dueAt) return;
    this.#clearTimer();
    this.#dueAt = dueAt;
    const delayMs = Math.min(longestTimerMs, Math.max(0, dueAt - this.#deps.clock.monotonicMs()));
    this.#cancelTimer = this.#deps.clock.setTimer(delayMs, () => {
      this.#clearTimer();
      this.#current = this.#run();
    });
  }

  async #run(): Promise<void> {
    const controller = this.#controller;
    if (controller === null) return;
    this.#woken = false;
    const nextMs = await this.#turn(controller.signal);
    this.#current = null;
    if (this.#controller !== controller) return;
    const now = this.#deps.clock.monotonicMs();
    this.#earliest = now + this.#options.gapMs;
    if (this.#woken) this.#schedule(now);
    else if (nextMs !== null) this.#schedule(now + nextMs);
  }

  async #turn(signal: AbortSignal): Promise<number | null> {
    try {
      return await this.#deps.turn(signal);
    } catch (error) {
      if (signal.aborted) return null;
      const data = { loop: this.#options.name, error: errorMessage(error) };
      this.#deps.logger.warn(data, "a turn failed and is tried again");
      return this.#options.retryMs;
    }
  }

  #clearTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#dueAt = Infinity;
  }
}
