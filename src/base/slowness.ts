/**
 * How slow this agent's machine is, told by how late its turns come. What an agent does by itself when nobody answers
 * (asking everybody who is left, dialing again, giving up connections) takes the time of others too. Where many share
 * a machine that is overloaded, that keeps it so: what was given up for lack of time is begun again. So all of it takes
 * as many times longer as the machine is slow, until what is begun can be finished.
 */

/** A loop that has work is late by so much on any machine. */
const usualMs = 100;
const unitMs = 250;
const most = 8;
/** What is left of it after a turn that was in time. */
const fading = 0.7;

export class Slowness {
  #factor = 1;
  #lastLateMs = 0;

  /** 1 on a machine that keeps up. */
  get factor(): number {
    return this.#factor;
  }

  /** A turn came so much later than it was due. Who was stopped once is not slow: two in a row tell. */
  late(ms: number): void {
    const lateMs = Math.min(ms, this.#lastLateMs);
    this.#lastLateMs = ms;
    const now = Math.min(most, 1 + Math.max(0, lateMs - usualMs) / unitMs);
    this.#factor = Math.max(now, 1 + (this.#factor - 1) * fading);
  }
}
