/**
 * The replicated log as the core sees it. Terms are known for every retained position, payloads only for the newest
 * entries (the tail); older ones are read back by the driver. Three marks move along it:
 *
 *     base ≤ … tail starts … stable ≤ handed ≤ last      (stable: durable here; handed: given to storage)
 *
 * Truncation pulls `stable` and `handed` back, so a write that completes late never vouches for entries that
 * were replaced meanwhile (the ABA race of asynchronous storage).
 */
import { assert, must } from "../../base/assert.ts";
import { TermRuns } from "./term-runs.ts";
import { type Entry, type Index, type RecoveredLog, type Term } from "./types.ts";

/** What an entry costs beyond its payload: header on the wire, object in memory. */
const entryOverheadBytes = 32;

export function entrySize(entry: Entry): number {
  return entry.data.length + entryOverheadBytes;
}

export interface ByteLimit {
  readonly maxBytes: number;
  readonly maxCount: number;
}

export class RaftLog {
  #terms: TermRuns;
  #tail: Entry[];
  #tailBytes: number;
  #stable: Index;
  #handed: Index;
  /** Storage was given entries from here on that no longer exist. */
  #truncated: Index | null = null;

  constructor(recovered: RecoveredLog) {
    this.#terms = recoverTerms(recovered);
    const first = this.first;
    this.#tail = recovered.tail.filter((entry) => entry.index >= first);
    this.#tailBytes = sizeOf(this.#tail);
    this.#stable = this.last;
    this.#handed = this.last;
    assert(this.last === recovered.lastIndex, "recovered term runs reach the last entry");
    assert(
      this.#tail.length === 0 || this.#tail.at(-1)?.index === this.last,
      "the recovered tail ends with the last entry",
    );
  }

  get first(): Index {
    return this.#terms.base + 1;
  }

  get last(): Index {
    return this.#terms.last;
  }

  get lastTerm(): Term {
    return this.#terms.lastTerm;
  }

  get stable(): Index {
    return this.#stable;
  }

  get handed(): Index {
    return this.#handed;
  }

  get tailFirst(): Index {
    return this.last - this.#tail.length + 1;
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** The term at `index`; null when it was compacted or does not exist. Known from `first - 1` to `last`. */
  termAt(index: Index): Term | null {
    return this.#terms.at(index);
  }

  /** §5.4.1: a log is at least as up to date when its last term is newer, or equal and it is not shorter. */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.last);
  }

  /** Does this log end before that position? */
  isBefore(index: Index, term: Term): boolean {
    return this.lastTerm < term || (this.lastTerm === term && this.last < index);
  }

  /** Where two logs may still agree: the last position ≤ `index` with a term ≤ `term`. */
  possibleMatch(index: Index, term: Term): { readonly index: Index; readonly term: Term } {
    assert(index >= 0 && term >= 0, "positions and terms are natural numbers");
    const from = Math.min(index, this.last);
    return from <= this.#terms.base
      ? { index: this.#terms.base, term: this.termAt(this.#terms.base) ?? 0 }
      : this.#terms.lastAtMost(from, term);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.last + 1, "entries are contiguous");
      this.#terms.extend(entry.index, entry.term);
      this.#tail.push(entry);
      this.#tailBytes += entrySize(entry);
    }
    assert(this.#handed <= this.last, "storage was given only what exists");
  }

  truncateFrom(index: Index): void {
    assert(index >= this.first && index <= this.last, "truncation hits existing entries");
    if (index <= this.#handed) this.#truncated = Math.min(this.#truncated ?? index, index);
    const dropped = this.#tail.splice(Math.max(0, index - this.tailFirst));
    this.#tailBytes -= sizeOf(dropped);
    this.#terms.truncateFrom(index);
    this.#handed = Math.min(this.#handed, index - 1);
    this.#stable = Math.min(this.#stable, index - 1);
    assert(this.last === index - 1, "the log ends before the cut");
  }

  /** Restarts the log behind a snapshot. Storage learns of it from the op that carries the snapshot. */
  restore(index: Index, term: Term): void {
    assert(index > this.#terms.base, "a snapshot moves the log forward");
    this.#terms = new TermRuns(index, term);
    this.#tail = [];
    this.#tailBytes = 0;
    this.#handed = index;
    this.#stable = Math.min(this.#stable, index);
    this.#truncated = null;
    assert(this.last === index && this.lastTerm === term, "the log restarts behind the snapshot");
  }

  /** Entries before `first` are gone from storage. */
  compactTo(first: Index): void {
    if (first <= this.first) return;
    assert(first <= this.#stable + 1, "only durable entries are compacted");
    this.#terms.compactTo(first - 1);
    assert(this.first === first, "the log begins there now");
    this.#dropFront(Math.max(0, first - this.tailFirst));
  }

  /** Entries from `from` while they fit (at least one), or null when they are not in memory. */
  entries(from: Index, limit: ByteLimit): readonly Entry[] | null {
    assert(from >= this.first && from <= this.last + 1, "entries are asked for within the log");
    if (from < this.tailFirst) return null;
    const start = from - this.tailFirst;
    let end = start;
    let bytes = 0;
    while (end < this.#tail.length && end - start < limit.maxCount) {
      bytes += entrySize(must(this.#tail[end], "the tail is dense"));
      if (bytes > limit.maxBytes && end > start) break;
      end += 1;
    }
    return this.#tail.slice(start, end);
  }

  hasUnhanded(): boolean {
    return this.#truncated !== null || this.#handed < this.last;
  }

  /** What storage must do next: cut, then add. Marks it as handed over. */
  takeUnhanded(): { readonly truncateFrom: Index | null; readonly entries: readonly Entry[] } {
    const truncateFrom = this.#truncated;
    const entries = this.#tail.slice(Math.max(0, this.#handed + 1 - this.tailFirst));
    assert(entries.length === this.last - this.#handed, "what storage lacks is still in memory");
    assert(truncateFrom === null || truncateFrom <= this.#handed + 1, "no gap after a cut");
    this.#truncated = null;
    this.#handed = this.last;
    return { truncateFrom, entries };
  }

  stableTo(index: Index): void {
    assert(index <= this.#handed, "only what was handed to storage becomes durable");
    this.#stable = Math.max(this.#stable, index);
  }

  /** Forgets the oldest payloads, durable and not after `upTo`, when the tail outgrew `maxBytes`. */
  trim(maxBytes: number, upTo: Index): void {
    if (this.#tailBytes <= maxBytes) return;
    const end = Math.min(upTo, this.#stable);
    assert(end <= this.#handed, "what storage lacks stays in memory");
    const goal = Math.floor(maxBytes * 0.875);
    let bytes = this.#tailBytes;
    let count = 0;
    while (bytes > goal) {
      const entry = this.#tail[count];
      if (entry === undefined || entry.index > end) break;
      bytes -= entrySize(entry);
      count += 1;
    }
    this.#dropFront(count);
  }

  #dropFront(count: number): void {
    this.#tailBytes -= sizeOf(this.#tail.splice(0, count));
    assert(this.#tailBytes >= 0, "the tail's size is not negative");
  }
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entrySize(entry), 0);
}

/**
 * The position before the first entry needs a known term. A snapshot or an empty log gives it; when the log reaches
 * further back than its snapshot, the first entry itself becomes that position.
 */
function recoverTerms(recovered: RecoveredLog): TermRuns {
  const { firstIndex, lastIndex, snapshot, termRuns } = recovered;
  assert(firstIndex >= 1 && lastIndex >= firstIndex - 1, "a recovered log has a sensible range");
  assert(lastIndex < firstIndex || termRuns[0]?.first === firstIndex, "runs start with the log");
  const terms = recoverBase(recovered);
  assert(firstIndex === 1 || snapshot !== null, "a log that lost its beginning has a snapshot");
  for (const [i, run] of termRuns.entries()) {
    const end = (termRuns[i + 1]?.first ?? lastIndex + 1) - 1;
    if (end > terms.last) terms.extend(end, run.term);
  }
  return terms;
}

function recoverBase({ firstIndex, snapshot, termRuns }: RecoveredLog): TermRuns {
  if (firstIndex === 1) return new TermRuns(0, 0);
  if (snapshot?.index === firstIndex - 1) return new TermRuns(snapshot.index, snapshot.term);
  const oldest = must(termRuns[0], "a log that starts before its snapshot has entries");
  return new TermRuns(oldest.first, oldest.term);
}
