/**
 * The configurations the search has been in: which operations were placed, and the state that left. Coming to one
 * again, by another order, can only fail again, so each is entered once (Lowe 2017, §5). That turns a factorial
 * search into one that is exponential only in the number of concurrent operations.
 *
 * A configuration that used more of the unfinished operations than a known one, and is the same otherwise, is no
 * better: whatever could still come from here could come from there. So it is not entered either; without this,
 * unfinished writes that nobody read would double the search each.
 *
 * Records lie in one growing array outside the heap, where millions of small objects would take ten times the room.
 * Of the finished operations only the words between "all placed" and "none placed" are kept: a long history costs
 * what is concurrent in it.
 */
import { BitSet, mix } from "./bit-set.ts";

/** Fields of a record, before its words. Configurations that differ only in unfinished operations are chained. */
const field = { hash: 0, state: 1, next: 2, from: 3, to: 4, words: 5 } as const;

export class Configurations {
  readonly finished: BitSet;
  readonly unfinished: BitSet;
  readonly #bytesMax: number;
  /** From 1, as 0 is "no record". */
  #records = new Int32Array(4096);
  #end = 1;
  /** Open addressing with linear probing; where the records begin. Its length is a power of two. */
  #table = new Int32Array(1024);
  #used = 0;
  #full = false;

  constructor(sizes: { readonly finished: number; readonly unfinished: number }, bytesMax: number) {
    this.finished = new BitSet(sizes.finished);
    this.unfinished = new BitSet(sizes.unfinished);
    this.#bytesMax = bytesMax;
  }

  /** True when a configuration could not be remembered within the limit. */
  get full(): boolean {
    return this.#full;
  }

  /** Remembers the present bits with `state`; false when that promises nothing new, or there is no room. */
  enter(state: number): boolean {
    const { from, to } = this.finished.middle();
    const size = field.words + (to - from) + this.unfinished.words.length;
    if (!this.#makeRoom(size)) return false;
    const record = this.#end;
    this.#records.set([this.finished.hash ^ mix(~state), state, 0, from, to], record);
    this.#records.set(this.finished.words.subarray(from, to), record + field.words);
    this.#records.set(this.unfinished.words, record + field.words + (to - from));
    const slot = this.#slotOf(record);
    const first = this.#table[slot] ?? 0;
    for (let known = first; known !== 0; known = this.#at(known, field.next)) {
      if (this.#usesNoMore(known, record)) return false;
    }
    if (first === 0) {
      this.#table[slot] = record;
      this.#used += 1;
    } else {
      this.#records[record + field.next] = this.#at(first, field.next);
      this.#records[first + field.next] = record;
    }
    this.#end += size;
    return true;
  }

  /** Where records like `record` are listed, or would be. */
  #slotOf(record: number): number {
    const mask = this.#table.length - 1;
    let slot = this.#at(record, field.hash) & mask;
    for (let known = this.#table[slot] ?? 0; known !== 0; known = this.#table[slot] ?? 0) {
      if (this.#isAlike(known, record)) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** The same finished operations and the same state. */
  #isAlike(a: number, b: number): boolean {
    for (const index of [field.hash, field.state, field.from, field.to]) {
      if (this.#at(a, index) !== this.#at(b, index)) return false;
    }
    const end = this.#unfinishedAt(a);
    for (let index = field.words; index < end; index += 1) {
      if (this.#at(a, index) !== this.#at(b, index)) return false;
    }
    return true;
  }

  /** True when the unfinished operations of `a` are among those of `b`, which is alike. */
  #usesNoMore(a: number, b: number): boolean {
    const start = this.#unfinishedAt(a);
    for (let word = 0; word < this.unfinished.words.length; word += 1) {
      if ((this.#at(a, start + word) & ~this.#at(b, start + word)) !== 0) return false;
    }
    return true;
  }

  #unfinishedAt(record: number): number {
    return field.words + this.#at(record, field.to) - this.#at(record, field.from);
  }

  #at(record: number, index: number): number {
    return this.#records[record + index] ?? 0;
  }

  #makeRoom(size: number): boolean {
    const crowded = (this.#used + 1) * 2 > this.#table.length;
    const tableLength = this.#table.length * (crowded ? 2 : 1);
    let recordsLength = this.#records.length;
    while (recordsLength < this.#end + size) recordsLength *= 2;
    this.#full = (tableLength + recordsLength) * 4 > this.#bytesMax;
    if (this.#full) return false;
    if (recordsLength > this.#records.length) {
      const old = this.#records;
      this.#records = new Int32Array(recordsLength);
      this.#records.set(old);
    }
    if (crowded) this.#rehash(tableLength);
    return true;
  }

  #rehash(length: number): void {
    const old = this.#table;
    this.#table = new Int32Array(length);
    for (const record of old) {
      if (record !== 0) this.#table[this.#slotOf(record)] = record;
    }
  }
}
