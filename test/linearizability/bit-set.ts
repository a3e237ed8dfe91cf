/** A set of small integers, a bit each, with a hash that follows by exclusive or (Zobrist 1970). */
export class BitSet {
  readonly words: Int32Array;
  #hash = 0;

  constructor(size: number) {
    this.words = new Int32Array(Math.ceil(size / 32));
  }

  get hash(): number {
    return this.#hash;
  }

  has(member: number): boolean {
    return (((this.words[member >>> 5] ?? 0) >>> (member & 31)) & 1) === 1;
  }

  /** Adds `member`, or removes it. */
  flip(member: number): void {
    this.words[member >>> 5] = (this.words[member >>> 5] ?? 0) ^ (1 << (member & 31));
    this.#hash ^= mix(member + 1);
  }

  /** The words behind those that are full and before those that are empty. */
  middle(): { readonly from: number; readonly to: number } {
    let to = this.words.length;
    while (to > 0 && this.words[to - 1] === 0) to -= 1;
    let from = 0;
    while (from < to && this.words[from] === -1) from += 1;
    return { from, to };
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): each bit of the input moves half of the output. */
export function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
