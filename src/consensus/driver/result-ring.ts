/** Results of the last commands applied here, for those who proposed them through another agent. */
import { type Index, type Term } from "../core/types.ts";

interface Slot<R> {
  readonly index: Index;
  readonly term: Term;
  readonly result: R;
}

export class ResultRing<R> {
  readonly #slots: (Slot<R> | undefined)[];

  constructor(size = 8192) {
    this.#slots = new Array<Slot<R> | undefined>(size);
  }

  put(index: Index, term: Term, result: R): void {
    this.#slots[index % this.#slots.length] = { index, term, result };
  }

  get(index: Index, term: Term): R | null {
    const slot = this.#slots[index % this.#slots.length];
    return slot?.index === index && slot.term === term ? slot.result : null;
  }
}
