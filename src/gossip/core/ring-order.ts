/**
 * One ring: all members in the order of their places on it. A newcomer moves half of an array of numbers, once; who
 * looks for the next member that is up then takes a step or two, where a search through all of them would be due.
 */
import { type Ix } from "./types.ts";

export class RingOrder {
  #order = new Int32Array(64);
  #places = new Uint32Array(64);
  #length = 0;

  add(ix: Ix, place: number): void {
    if (this.#length === this.#order.length) this.#grow();
    let at = this.#rank(place);
    while (at < this.#length && this.#places[at] === place) at += 1;
    this.#order.copyWithin(at + 1, at, this.#length);
    this.#places.copyWithin(at + 1, at, this.#length);
    this.#order[at] = ix;
    this.#places[at] = place;
    this.#length += 1;
  }

  /**
   * The first member after `place`, going round once in steps of 1 or −1, that `accept` takes; -1 when none is. Of
   * several at one place it is the one that came first.
   */
  next(place: number, step: 1 | -1, accept: (ix: Ix) => boolean): Ix {
    const length = this.#length;
    let at = this.#rank(place);
    if (step === -1) at -= 1;
    for (let tries = 0; tries < length; tries += 1) {
      at = at < 0 ? length - 1 : at === length ? 0 : at;
      const ix = this.#order[at] ?? -1;
      if (accept(ix)) return this.#firstAt(at, accept);
      at += step;
    }
    return -1;
  }

  #firstAt(at: number, accept: (ix: Ix) => boolean): Ix {
    let first = this.#order[at] ?? -1;
    for (let other = at - 1; this.#places[other] === this.#places[at]; other -= 1) {
      const ix = this.#order[other] ?? -1;
      if (accept(ix)) first = ix;
    }
    return first;
  }

  /** Index of the first entry at `place` or after it. */
  #rank(place: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#places[middle] ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const order = new Int32Array(2 * this.#order.length);
    order.set(this.#order);
    this.#order = order;
    const places = new Uint32Array(2 * this.#places.length);
    places.set(this.#places);
    this.#places = places;
  }
}
