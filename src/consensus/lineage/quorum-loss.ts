/** Since when no quorum is in sight, and until when an ordinary election may still bring one. Pure. */
import { type CoordinatorTimings, startPatienceMs } from "./coordinator-timings.ts";
import { type LocalFacts } from "./coordinator-types.ts";

export class QuorumLoss {
  /** Null while one is in sight. */
  #since: number | null = null;
  #hadLeader = false;
  #isAsked = false;
  /** The wait is over: it does not begin again because the machine became slower meanwhile. */
  #isOver = false;

  /** Since this process began. */
  get hadLeader(): boolean {
    return this.#hadLeader;
  }

  look(now: number, leader: LocalFacts["leader"]): void {
    if (leader === null) this.#since ??= now;
    else {
      this.#since = null;
      this.#hadLeader = true;
      this.#isOver = false;
    }
  }

  /** Somebody asks who is left: there is no cluster that merely starts. */
  asked(): void {
    this.#isAsked = true;
  }

  /** The wait begins again. */
  restart(now: number): void {
    this.#since = now;
    this.#isOver = false;
  }

  lastedMs(now: number): number {
    return now - (this.#since ?? now);
  }

  /**
   * An ordinary election needs as many times longer as the machine is slow, but whoever waits for longer than
   * `survivor.cold` keeps others waiting who want to go on.
   */
  isYoung(now: number, timings: CoordinatorTimings, facts: LocalFacts): boolean {
    const starts = !this.#hadLeader && !this.#isAsked;
    const limitMs = starts ? startPatienceMs(timings, facts) : timings.quorumLossMs;
    const { coldMs } = facts.settings.timers;
    const slowMs = Math.min(limitMs * facts.slowness, Math.max(limitMs, coldMs));
    this.#isOver ||= this.lastedMs(now) >= slowMs;
    return !this.#isOver;
  }
}
