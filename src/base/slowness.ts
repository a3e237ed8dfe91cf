/**
 * How slow this agent's machine is, told by how late its turns come, and by how long its thread waits for a processor.
 * What an agent does by itself when nobody answers (asking everybody who is left, suspecting others, dialing again,
 * giving up connections) takes the time of others too. Where many share a machine that is overloaded, that keeps it so:
 * what was given up for lack of time is begun again. So all of it takes as many times longer as the machine is slow,
 * until what is begun can be finished.
 */
import { type CpuWait } from "./cpu-wait.ts";

/** A loop that has work is late by so much on any machine. */
const usualMs = 100;
const unitMs = 250;
const most = 8;
/** What is left of it after a turn that was in time. */
const fading = 0.7;
/** On a machine that has work to do, but keeps up, threads wait for each other so much. */
const usualShare = 0.2;

export class Slowness {
  readonly #cpuWait: Pick<CpuWait, "take"> | null;
  readonly #lateness = new Stretch();
  readonly #waiting = new Stretch();

  constructor(cpuWait: Pick<CpuWait, "take"> | null = null) {
    this.#cpuWait = cpuWait;
  }

  /** 1 on a machine that keeps up. */
  get factor(): number {
    return Math.max(this.#lateness.factor, this.#waiting.factor);
  }

  /** A turn came so much later than it was due. */
  late(ms: number): void {
    this.#lateness.take(1 + Math.max(0, ms - usualMs) / unitMs);
    const share = this.#cpuWait?.take() ?? null;
    // Who waits for three quarters of the time needs four times as long for what it does.
    if (share !== null) this.#waiting.take(share <= usualShare ? 1 : 1 / (1 - Math.min(share, 1)));
  }
}

/** Who was stopped once is not slow: two measurements in a row tell. */
class Stretch {
  #last = 1;
  factor = 1;

  take(measured: number): void {
    const both = Math.min(measured, this.#last);
    this.#last = measured;
    this.factor = Math.max(Math.min(most, both), 1 + (this.factor - 1) * fading);
  }
}
