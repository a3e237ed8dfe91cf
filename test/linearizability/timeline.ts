/**
 * Calls and returns in the order of time, as linked lists in arrays: an operation that was given its place in the
 * order is lifted out and put back when the search gives that place up, both in constant time (Wing & Gong 1993,
 * §4.1; the undo is Knuth's dancing links). Operations that never returned have a list of their own: nothing
 * forces them to have happened, so they have no return entry, and the search turns to them last.
 *
 * Operation i has the entries 2i (call) and 2i + 1 (return).
 */
import { assert } from "../../src/base/assert.ts";
import { type Operation } from "./history.ts";

export function isReturn(entry: number): boolean {
  return (entry & 1) === 1;
}

export class Timeline {
  /** The ends of the circular lists of finished and of unfinished operations. */
  readonly finished: number;
  readonly unfinished: number;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Position of an entry among all; at equal times calls come first, so that the two are concurrent. */
  readonly #rank: Int32Array;
  readonly #hasReturn: Uint8Array;

  constructor(operations: readonly Operation<unknown>[]) {
    const count = operations.length;
    this.finished = 2 * count;
    this.unfinished = 2 * count + 1;
    this.#next = new Int32Array(2 * count + 2);
    this.#previous = new Int32Array(2 * count + 2);
    this.#rank = new Int32Array(2 * count + 2);
    this.#hasReturn = new Uint8Array(count);
    for (const end of [this.finished, this.unfinished]) {
      this.#next[end] = end;
      this.#previous[end] = end;
    }
    this.#fill(operations);
  }

  #fill(operations: readonly Operation<unknown>[]): void {
    const entries: { readonly id: number; readonly time: number; readonly list: number }[] = [];
    operations.forEach(({ called, returned }, index) => {
      const list = returned === null ? this.unfinished : this.finished;
      entries.push({ id: 2 * index, time: called, list });
      if (returned === null) return;
      assert(called <= returned, "an operation returns after its call");
      this.#hasReturn[index] = 1;
      entries.push({ id: 2 * index + 1, time: returned, list });
    });
    entries.sort((a, b) => a.time - b.time || (a.id & 1) - (b.id & 1));
    entries.forEach(({ id, list }, rank) => {
      this.#rank[id] = rank;
      this.#previous[id] = this.#previous[list] ?? list;
      this.#next[id] = list;
      this.#relink(id);
    });
  }

  next(entry: number): number {
    return this.#next[entry] ?? entry;
  }

  /** True when `a` comes before `b` in time. */
  before(a: number, b: number): boolean {
    return (this.#rank[a] ?? 0) < (this.#rank[b] ?? 0);
  }

  lift(operation: number): void {
    this.#unlink(2 * operation);
    if (this.#hasReturn[operation] === 1) this.#unlink(2 * operation + 1);
  }

  /** Undoes the latest `lift` that was not undone. */
  unlift(operation: number): void {
    if (this.#hasReturn[operation] === 1) this.#relink(2 * operation + 1);
    this.#relink(2 * operation);
  }

  #unlink(entry: number): void {
    const next = this.#next[entry] ?? entry;
    const previous = this.#previous[entry] ?? entry;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /** An entry that was taken out remembers its neighbours. */
  #relink(entry: number): void {
    this.#next[this.#previous[entry] ?? entry] = entry;
    this.#previous[this.#next[entry] ?? entry] = entry;
  }
}
