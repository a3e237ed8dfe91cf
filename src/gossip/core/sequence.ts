/** Numbers of probes: unsigned 32 bits, starting anywhere, so that an ack of an earlier life matches nothing. */
export class Sequence {
  #last: number;

  constructor(start: number) {
    this.#last = start >>> 0;
  }

  next(): number {
    this.#last = (this.#last + 1) >>> 0;
    return this.#last;
  }
}
