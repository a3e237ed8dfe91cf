/**
 * The configurations the search has been in: which operations were placed (a bit each) and the state that left.
 * Coming to one again, by another order, can only fail again, so each is entered once (Lowe 2017, §5). That is what
 * turns a factorial search into one that is exponential only in the number of concurrent operations.
 *
 * A record is `words` of bits, the state's number and its hash, in one growing array outside the heap: millions of
 * small objects would be ten times as large.
 */
export class Configurations {
  /** Bits of the configuration the search is in. */
  readonly #placed: Int32Array;
  readonly #words: number;
  readonly #stride: number;
  readonly #bytesMax: number;
  #records: Int32Array;
  /** Open addressing with linear probing: the number of a record plus one; 0 is free. Length is a power of two. */
  #table = new Int32Array(1024);
  #count = 0;
  #hash = 0;
  #full = false;

  constructor(operations: number, bytesMax: number) {
    this.#words = Math.max(1, Math.ceil(operations / 32));
    this.#stride = this.#words + 2;
    this.#placed = new Int32Array(this.#words);
    this.#records = new Int32Array(256 * this.#stride);
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** True when a configuration could not be remembered within the limit. */
  get full(): boolean {
    return this.#full;
  }

  has(operation: number): boolean {
    return (((this.#placed[operation >>> 5] ?? 0) >>> (operation & 31)) & 1) === 1;
  }

  /** Adds `operation` to the placed ones, or removes it. The hash follows by exclusive or (Zobrist 1970). */
  flip(operation: number): void {
    this.#placed[operation >>> 5] = (this.#placed[operation >>> 5] ?? 0) ^ (1 << (operation & 31));
    this.#hash ^= mix(operation + 1);
  }

  /** Remembers the present bits with `state`; false when that is known already, or there is no room. */
  enter(state: number): boolean {
    const hash = this.#hash ^ mix(~state);
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (let record = this.#table[slot] ?? 0; record !== 0; record = this.#table[slot] ?? 0) {
      if (this.#matches(record - 1, hash, state)) return false;
      slot = (slot + 1) & mask;
    }
    if (!this.#makeRoom()) return false;
    const start = this.#count * this.#stride;
    this.#records.set(this.#placed, start);
    this.#records[start + this.#words] = state;
    this.#records[start + this.#words + 1] = hash;
    this.#count += 1;
    this.#insert(this.#count, hash);
    return true;
  }

  #matches(record: number, hash: number, state: number): boolean {
    const start = record * this.#stride;
    if (this.#records[start + this.#words + 1] !== hash) return false;
    if (this.#records[start + this.#words] !== state) return false;
    for (let word = 0; word < this.#words; word += 1) {
      if (this.#records[start + word] !== this.#placed[word]) return false;
    }
    return true;
  }

  #insert(record: number, hash: number): void {
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = record;
  }

  #makeRoom(): boolean {
    const records = this.#records.length / this.#stride;
    const crowded = (this.#count + 1) * 2 > this.#table.length;
    const tableLength = this.#table.length * (crowded ? 2 : 1);
    const recordsLength = this.#records.length * (this.#count < records ? 1 : 2);
    this.#full = (tableLength + recordsLength) * 4 > this.#bytesMax;
    if (this.#full) return false;
    if (recordsLength > this.#records.length) {
      const grown = new Int32Array(recordsLength);
      grown.set(this.#records);
      this.#records = grown;
    }
    if (crowded) {
      this.#table = new Int32Array(tableLength);
      for (let record = 0; record < this.#count; record += 1) {
        const hash = this.#records[record * this.#stride + this.#words + 1] ?? 0;
        this.#insert(record + 1, hash);
      }
    }
    return true;
  }
}

/** The finalizer of MurmurHash3 (Appleby, public domain): each bit of the input moves half of the output. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
