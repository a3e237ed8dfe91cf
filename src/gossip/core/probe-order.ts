/**
 * Whom to probe next: SWIM §4.3's round-robin over a shuffled list, so that nobody is forgotten for longer
 * than two rounds. A newcomer enters at a random place of the rest of the round.
 */
import { type Random } from "../../base/random.ts";
import { type Ix } from "./types.ts";

export class ProbeOrder {
  readonly #random: Random;
  #order = new Int32Array(32);
  #length = 0;
  #next = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  add(ix: Ix): void {
    if (this.#length === this.#order.length) {
      const longer = new Int32Array(2 * this.#order.length);
      longer.set(this.#order);
      this.#order = longer;
    }
    const place = this.#next + this.#random.below(this.#length - this.#next + 1);
    this.#order[this.#length] = this.#order[place] ?? ix;
    this.#order[place] = ix;
    this.#length += 1;
  }

  /** The next member that `isCandidate` takes; -1 when a whole round has none. */
  next(isCandidate: (ix: Ix) => boolean, refill: () => Iterable<Ix>): Ix {
    for (let rounds = 0; rounds < 2; rounds += 1) {
      while (this.#next < this.#length) {
        const ix = this.#order[this.#next] ?? -1;
        this.#next += 1;
        if (isCandidate(ix)) return ix;
      }
      this.#length = 0;
      this.#next = 0;
      for (const ix of refill()) this.add(ix);
    }
    return -1;
  }
}
