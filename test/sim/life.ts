/**
 * One life of a process: everything that runs in it goes through here. Killed, it never runs again, wherever it was
 * waiting; stopped (SIGSTOP, a suspended machine, a long collection of garbage), it goes on later with all that came
 * meanwhile, in order.
 */
import { type Clock } from "../../src/base/clock.ts";
import { type SimClock } from "./clock.ts";

export class Life implements Clock {
  readonly #world: SimClock;
  /** How fast this machine's clock runs: 1 ± drift. */
  readonly #rate: number;
  #deferred: (() => void)[] = [];
  #alive = true;
  #paused = false;
  #pausedAt = 0;
  /** Monotonic time that passed while the whole machine stood still. */
  #lostMs = 0;
  #wallOffsetMs: number;

  constructor(world: SimClock, machine: { readonly rate: number; readonly wallOffsetMs: number }) {
    this.#world = world;
    this.#rate = machine.rate;
    this.#wallOffsetMs = machine.wallOffsetMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#paused;
  }

  monotonicMs(): number {
    return this.#world.nowMs * this.#rate - this.#lostMs;
  }

  wallMs(): number {
    return Math.floor(epochMs + this.monotonicMs() + this.#wallOffsetMs);
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  setTimer(delayMs: number, callback: () => void): () => void {
    let cancelled = false;
    const dueMs = this.monotonicMs() + delayMs;
    const arm = (ms: number): void => {
      event = this.#world.after(ms / this.#rate, () =>
        this.run(() => {
          if (cancelled) return;
          const leftMs = dueMs - this.monotonicMs();
          if (leftMs > 1e-6) arm(leftMs);
          else callback();
        }),
      );
    };
    let event = { cancelled: false };
    arm(Math.max(shortestMs, delayMs));
    return () => {
      cancelled = true;
      event.cancelled = true;
    };
  }

  /** Runs `task` in this process after `delayMs` of the world's time. */
  after(delayMs: number, task: () => void): void {
    this.#world.after(delayMs, () => this.run(task));
  }

  run(task: () => void): void {
    if (!this.#alive) return;
    if (this.#paused) this.#deferred.push(task);
    else task();
  }

  kill(): void {
    this.#alive = false;
    this.#deferred = [];
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#pausedAt = this.#world.nowMs;
  }

  /** @param clockStood true when the machine's clock stood still too. */
  resume(clockStood: boolean): void {
    if (!this.#paused || !this.#alive) return;
    this.#paused = false;
    if (clockStood) this.#lostMs += (this.#world.nowMs - this.#pausedAt) * this.#rate;
    const tasks = this.#deferred;
    this.#deferred = [];
    // Each in an event of its own, as an event loop would run them.
    for (const task of tasks) this.after(0, task);
  }
}

/** Node's shortest timer. */
const shortestMs = 1;
const epochMs = Date.UTC(2026, 0, 1);
