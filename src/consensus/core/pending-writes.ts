/**
 * Writes that storage was given and has not confirmed. Each vouches for the log up to `last`; when the log is
 * truncated meanwhile, that claim shrinks with it, so a late confirmation never covers replaced entries.
 */
import { assert, must } from "../../base/assert.ts";
import { type Index } from "./types.ts";

export class PendingWrites {
  #nextSeq = 1;
  #pending: { readonly seq: number; last: Index }[] = [];

  get count(): number {
    return this.#pending.length;
  }

  /** Registers a write whose completion makes the log durable up to `last`. */
  add(last: Index): number {
    assert(last >= 0, "a log position is a natural number");
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    this.#pending.push({ seq, last });
    return seq;
  }

  truncateFrom(index: Index): void {
    assert(index > 0, "truncation hits an entry");
    for (const write of this.#pending) write.last = Math.min(write.last, index - 1);
  }

  /** A snapshot replaces the log: what is being written vouches for nothing in the new one. */
  voidAll(): void {
    for (const write of this.#pending) write.last = 0;
    assert(this.#pending.length < this.#nextSeq, "writes are numbered from one");
  }

  /** All writes up to `seq` are durable. Returns up to where the log is, or null when that was known. */
  complete(seq: number): Index | null {
    assert(seq < this.#nextSeq, "only writes that were handed out complete");
    let last: Index | null = null;
    assert(seq >= 1, "writes are numbered from one");
    while (this.#pending.length > 0) {
      const write = must(this.#pending[0], "a write is pending");
      if (write.seq > seq) break;
      last = write.last;
      this.#pending.shift();
    }
    return last;
  }
}
