/**
 * What the read rounds of one agent are called. No two ever have the same number, also across its starts and its
 * engines: what a leader answers late to a question of the agent's former life must not be taken for the answer to one
 * of this life, which asks about everything committed since.
 */

/** Rounds of one start; 2^20 starts are told apart. */
const perStart = 2 ** 32;

export class ReadNumbers {
  #last: number;

  /** @param starts how often the agent was started, this time included. */
  constructor(starts: number) {
    this.#last = (starts % 2 ** 20) * perStart;
  }

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}
