/** Since when no quorum is in sight, and until when an ordinary election may still bring one. Pure. */
import { type CoordinatorTimings, startPatienceMs } from "./coordinator-timings.ts";
import { type LocalFacts } from "./coordinator-types.ts";

export class QuorumLoss {
  /** Null while one is in sight. */
  #since: number | null = null;
  #hadLeader = false;
  #isAsked = false;

  /** Since this process began. */
  get hadLeader(): boolean {
    return this.#hadLeader;
  }

  look(now: number, leader: LocalFacts["leader"]): void {
    if (leader === null) this.#since ??= now;
    else {
      this.#since = null;
      this.#hadLeader = true;
    }
  }

  /** Somebody asks who is left: there is no cluster that merely starts. */
  asked(): void {
    this.#isAsked = true;
  }

  /** The wait begins again. */
  restart(now: number): void {
    this.#since = now;
  }

  lastedMs(now: number): number {
    return now - (this.#since ?? now);
  }

  isYoung(now: number, timings: CoordinatorTimings, facts: LocalFacts): boolean {
    const starts = !this.#hadLeader && !this.#isAsked;
    const limitMs = starts ? startPatienceMs(timings, facts) : timings.quorumLossMs;
    return this.lastedMs(now) < limitMs * facts.slowness;
  }
}
