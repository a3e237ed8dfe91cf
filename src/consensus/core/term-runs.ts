/**
 * The term of every retained log position, as runs: terms only grow along a log, so a few runs answer for millions
 * of entries. Position `base` is the one before the first entry; its term is known too, for the consistency check.
 */
import { assert, must } from "../../base/assert.ts";
import { type Index, type Term } from "./types.ts";

export interface TermRun {
  readonly first: Index;
  readonly term: Term;
}

export class TermRuns {
  /** The first run starts at the base position; runs ascend in index and term. */
  #runs: TermRun[];
  #last: Index;

  constructor(base: Index, term: Term) {
    assert(base >= 0 && term >= 0, "positions and terms are natural numbers");
    this.#runs = [{ first: base, term }];
    this.#last = base;
  }

  get base(): Index {
    return this.#oldest().first;
  }

  get last(): Index {
    return this.#last;
  }

  get lastTerm(): Term {
    return must(this.#runs.at(-1), "a run covers the last position").term;
  }

  /** The term at `index`, or null outside [base, last]. */
  at(index: Index): Term | null {
    if (index < this.base || index > this.#last) return null;
    return must(this.#runs[this.#runAt(index)], "a run covers every position").term;
  }

  /** Entries of `term` follow, up to `last`. */
  extend(last: Index, term: Term): void {
    assert(last > this.#last, "the log grows at its end");
    assert(term >= this.lastTerm, "terms never fall along the log");
    if (term > this.lastTerm) this.#runs.push({ first: this.#last + 1, term });
    this.#last = last;
  }

  truncateFrom(index: Index): void {
    assert(index > this.base && index <= this.#last + 1, "truncation stays within the log");
    this.#runs = this.#runs.filter((run) => run.first < index);
    this.#last = index - 1;
  }

  /** Makes `index` the new base. */
  compactTo(index: Index): void {
    assert(index >= this.base && index <= this.#last, "compaction stays within the log");
    const run = this.#runAt(index);
    const term = must(this.#runs[run], "a run covers the new base").term;
    this.#runs = [{ first: index, term }, ...this.#runs.slice(run + 1)];
  }

  /** The last position ≤ `index` whose term is ≤ `term`; the base when there is none. */
  lastAtMost(index: Index, term: Term): { readonly index: Index; readonly term: Term } {
    assert(index >= this.base && index <= this.#last, "the search starts within the log");
    let end = index;
    for (let i = this.#runAt(index); i > 0; i -= 1) {
      const run = must(this.#runs[i], "runs are contiguous");
      if (run.term <= term) return { index: end, term: run.term };
      end = run.first - 1;
    }
    const oldest = this.#oldest();
    return oldest.term <= term
      ? { index: end, term: oldest.term }
      : { index: oldest.first, term: oldest.term };
  }

  #oldest(): TermRun {
    return must(this.#runs[0], "a run covers the base");
  }

  #runAt(index: Index): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (must(this.#runs[middle], "runs are dense").first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
