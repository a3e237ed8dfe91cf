/**
 * What a simulated disk holds of the log, synced, read from the very bytes that storage wrote: the judge of whether an
 * acknowledgement was true. Follows every synced batch; knows nothing of what the process believes.
 */
import { type HardState, type Index, type Term } from "../../src/consensus/core/types.ts";
import { entryHeaderBytes } from "../../src/consensus/storage/entry-body.ts";
import { type Lineage } from "../../src/consensus/lineage/types.ts";
import { type BatchItem } from "../../src/consensus/storage/log-database.ts";
import {
  baseKey,
  decodeBase,
  decodeHead,
  decodeLineage,
  headKey,
  lineageKey,
} from "../../src/consensus/storage/log-records.ts";

interface Run {
  readonly first: Index;
  readonly terms: readonly Term[];
}

const frameKeyBytes = 9;
const firstAt = 8;
const countAt = 14;
const bodyAt = 50;
const nothing: HardState = { term: 0, vote: null, commit: 0 };

export class DurableLog {
  hardState: HardState = nothing;
  lineage: Lineage | null = null;
  #runs: Run[] = [];
  #first: Index = 1;
  #anchor: { readonly index: Index; readonly term: Term } = { index: 0, term: 0 };

  get last(): Index {
    const run = this.#runs.at(-1);
    return run === undefined ? this.#anchor.index : run.first + run.terms.length - 1;
  }

  termAt(index: Index): Term | null {
    if (index === this.#anchor.index) return this.#anchor.term;
    const run = this.#runs[this.#position(index + 1) - 1];
    return run?.terms[index - run.first] ?? null;
  }

  /** True when the log holds this entry, or had it and compacted it. */
  holds(index: Index, term: Term): boolean {
    return index < this.#first || this.termAt(index) === term;
  }

  rebuild(items: Iterable<readonly [Buffer, Buffer]>): void {
    this.#runs = [];
    this.#first = 1;
    this.#anchor = { index: 0, term: 0 };
    this.hardState = nothing;
    this.lineage = null;
    for (const [key, value] of items) this.#put(key, value);
  }

  follow(items: readonly BatchItem[]): void {
    for (const item of items) {
      if (item.type === "put") this.#put(item.key, item.value);
      else if (item.key.byteLength === frameKeyBytes) this.#remove(item.key.readUIntBE(3, 6));
    }
  }

  #put(key: Buffer, value: Buffer): void {
    if (key.byteLength === frameKeyBytes) this.#insert(readRun(value));
    else if (key.equals(headKey)) this.hardState = decodeHead(value)?.hardState ?? this.hardState;
    else if (key.equals(baseKey)) this.#rebase(value);
    else if (key.equals(lineageKey)) this.lineage = decodeLineage(value)?.lineage ?? null;
  }

  #rebase(value: Buffer): void {
    const base = decodeBase(value);
    if (base === null) return;
    this.#first = base.first;
    this.#anchor = base.anchor;
  }

  #insert(run: Run | null): void {
    if (run === null) return;
    const at = this.#position(run.first);
    const same = this.#runs[at]?.first === run.first;
    this.#runs.splice(at, same ? 1 : 0, run);
  }

  #remove(first: Index): void {
    const at = this.#position(first);
    if (this.#runs[at]?.first === first) this.#runs.splice(at, 1);
  }

  /** Of the first run that begins at `first` or behind it. */
  #position(first: Index): number {
    let low = 0;
    let high = this.#runs.length;
    if (high > 0 && (this.#runs[high - 1] as Run).first < first) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle] as Run).first < first) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The terms of a frame's entries; no check of anything, as what is damaged is not asked for. */
function readRun(frame: Buffer): Run | null {
  if (frame.byteLength < bodyAt) return null;
  const count = frame.readUInt32BE(countAt);
  const terms: Term[] = [];
  for (let i = 0, at = bodyAt; i < count; i += 1) {
    if (at + entryHeaderBytes > frame.byteLength) return null;
    terms.push(frame.readUIntBE(at + 5, 6));
    at += entryHeaderBytes + frame.readUInt32BE(at);
  }
  return { first: frame.readUIntBE(firstAt, 6), terms };
}
