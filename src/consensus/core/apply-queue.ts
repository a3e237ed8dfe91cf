/**
 * Hands committed, locally durable entries to the state machine: in order, each once, in batches
 * of `maxApplyBytes`, and no further batch while as many bytes wait to be applied. Entries that
 * left memory are read back through a `LoadRequest` to self.
 */
import { assert, must } from "../../base/assert.ts";
import { entrySize, type RaftLog } from "./log.ts";
import { type Entry, type Index, type LoadRequest, type NodeId, type Term } from "./types.ts";

const maxEntriesPerBatch = 4096;

export interface ApplyLimit {
  /** Committed and durable here. */
  readonly upTo: Index;
  readonly maxBytes: number;
}

export class ApplyQueue {
  /** Handed out up to here. */
  #cursor: Index;
  #applied: Index;
  #outstanding: { readonly last: Index; readonly bytes: number }[] = [];
  #outstandingBytes = 0;
  /** Entries behind the cursor that storage read back. */
  #loaded: readonly Entry[] = [];
  #loading = false;

  constructor(applied: Index) {
    assert(applied >= 0, "an applied index is a natural number");
    this.#cursor = applied;
    this.#applied = applied;
  }

  get applied(): Index {
    return this.#applied;
  }

  get cursor(): Index {
    return this.#cursor;
  }

  hasWork(limit: ApplyLimit): boolean {
    return this.#cursor < limit.upTo && this.#outstandingBytes < limit.maxBytes && !this.#loading;
  }

  /** The next batch; empty when there is none or it must be loaded first (see `wantsLoad`). */
  take(log: RaftLog, limit: ApplyLimit): readonly Entry[] {
    if (!this.hasWork(limit)) return [];
    const from = this.#cursor + 1;
    const room = { maxBytes: limit.maxBytes, maxCount: maxEntriesPerBatch };
    const found = this.#loaded.length > 0 ? this.#loaded : (log.entries(from, room) ?? []);
    this.#loaded = [];
    const batch = found.filter((entry) => entry.index <= limit.upTo);
    const last = batch.at(-1);
    if (last === undefined) return [];
    assert(batch[0]?.index === from, "entries are applied without a gap");
    assert(last.index === this.#cursor + batch.length, "a batch has no gap");
    assert(last.index <= limit.upTo, "only committed, durable entries are applied");
    const bytes = batch.reduce((sum, entry) => sum + entrySize(entry), 0);
    this.#cursor = last.index;
    this.#outstanding.push({ last: last.index, bytes });
    this.#outstandingBytes += bytes;
    return batch;
  }

  /** The request for entries that are no longer in memory, or null. Call after `take` gave nothing. */
  requestLoad(self: NodeId, term: Term, limit: ApplyLimit): LoadRequest | null {
    if (!this.hasWork(limit)) return null;
    assert(this.#loaded.length === 0, "what was loaded is handed out first");
    assert(!this.#loading, "one load at a time");
    this.#loading = true;
    return { to: self, term, from: this.#cursor + 1, maxBytes: limit.maxBytes };
  }

  /** Storage answered. Ignored when the cursor moved on (a snapshot was installed). */
  loaded(from: Index, entries: readonly Entry[]): void {
    assert(this.#loading, "only what was asked for is loaded");
    this.#loading = false;
    if (from !== this.#cursor + 1) return;
    assert(entries[0]?.index === from, "storage still has what was not applied");
    this.#loaded = entries;
  }

  appliedTo(index: Index): void {
    assert(index <= this.#cursor, "only what was handed out is applied");
    if (index <= this.#applied) return;
    this.#applied = index;
    while (this.#outstanding.length > 0) {
      const batch = must(this.#outstanding[0], "a batch is outstanding");
      if (batch.last > index) break;
      this.#outstandingBytes -= batch.bytes;
      this.#outstanding.shift();
    }
    assert(this.#outstandingBytes >= 0, "outstanding bytes are not negative");
  }

  /** A snapshot replaces everything up to `index`. */
  restore(index: Index): void {
    assert(index > this.#cursor, "a snapshot moves the state forward");
    this.#cursor = index;
    this.#loaded = [];
    assert(this.#applied <= this.#cursor, "applied ≤ handed out");
  }
}
