/**
 * Applies committed entries in order, a slice of time per turn, and restores snapshots in their place among them.
 * A snapshot is restored only after the log behind it is durable, so that state never runs ahead of the log.
 */
import { type Clock } from "../../base/clock.ts";
import { type Entry, type Index, type SnapshotMeta, type Term } from "../core/types.ts";
import { type StateMachine } from "./ports.ts";

/** Entries between two looks at the clock. */
const sliceEntries = 256;

export interface ApplierEvents<R> {
  applied(entry: Entry, result: R | null): void;
  /** Everything up to `index` is applied now. */
  reached(index: Index): void;
  restored(meta: SnapshotMeta): void;
  failed(error: unknown): void;
}

type Work =
  | { readonly kind: "entries"; readonly entries: readonly Entry[]; next: number }
  | { readonly kind: "restore"; readonly meta: SnapshotMeta; readonly seq: number };

export interface ApplierDependencies<R> {
  readonly stateMachine: StateMachine<R>;
  readonly clock: Clock;
  readonly bytesOf: (meta: SnapshotMeta) => AsyncIterable<Uint8Array>;
}

export class Applier<R> {
  readonly #deps: ApplierDependencies<R>;
  readonly #events: ApplierEvents<R>;
  #work: Work[] = [];
  #durableSeq = 0;
  #restoring: Promise<void> | null = null;
  #lastTerm: Term;
  #stopped = false;

  /** @param lastTerm term of the last entry that the state machine has applied. */
  constructor(dependencies: ApplierDependencies<R>, events: ApplierEvents<R>, lastTerm: Term) {
    this.#deps = dependencies;
    this.#events = events;
    this.#lastTerm = lastTerm;
  }

  /** Position of the state machine; meaningless while a snapshot is restored. */
  get position(): { readonly index: Index; readonly term: Term } {
    return { index: this.#deps.stateMachine.appliedIndex, term: this.#lastTerm };
  }

  /** True when `run` would make progress. */
  get ready(): boolean {
    const next = this.#work[0];
    if (next === undefined || this.#restoring !== null) return false;
    return next.kind === "entries" || next.seq <= this.#durableSeq;
  }

  get restoring(): boolean {
    return this.#restoring !== null || this.#work.some((work) => work.kind === "restore");
  }

  get pending(): number {
    return this.#work.reduce(
      (sum, work) => sum + (work.kind === "entries" ? work.entries.length - work.next : 1),
      0,
    );
  }

  push(entries: readonly Entry[]): void {
    if (entries.length > 0) this.#work.push({ kind: "entries", entries, next: 0 });
  }

  /** Restores `meta` once write `seq`, which restarts the log behind it, is durable. */
  pushRestore(meta: SnapshotMeta, seq: number): void {
    this.#work.push({ kind: "restore", meta, seq });
  }

  durable(seq: number): void {
    this.#durableSeq = seq;
  }

  /** Applies for about `budgetMs`. */
  run(budgetMs: number): void {
    const end = this.#deps.clock.monotonicMs() + budgetMs;
    let reached: Index | null = null;
    while (this.ready && !this.#stopped) {
      const work = this.#work[0];
      if (work?.kind !== "entries") {
        if (work !== undefined) this.#restoring = this.#restore(work.meta);
        break;
      }
      reached = this.#slice(work);
      if (this.#deps.clock.monotonicMs() >= end) break;
    }
    if (reached !== null) this.#events.reached(reached);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#restoring;
  }

  #slice(work: Extract<Work, { kind: "entries" }>): Index {
    const slice =
      work.next === 0 && work.entries.length <= sliceEntries
        ? work.entries
        : work.entries.slice(work.next, work.next + sliceEntries);
    const results = this.#deps.stateMachine.apply(slice);
    for (const [i, entry] of slice.entries()) this.#events.applied(entry, results[i] ?? null);
    work.next += slice.length;
    if (work.next >= work.entries.length) this.#work.shift();
    this.#lastTerm = slice.at(-1)?.term ?? this.#lastTerm;
    return this.#deps.stateMachine.appliedIndex;
  }

  async #restore(meta: SnapshotMeta): Promise<void> {
    try {
      await this.#deps.stateMachine.restore(this.#deps.bytesOf(meta), meta.index);
      this.#work.shift();
      this.#lastTerm = meta.term;
      this.#restoring = null;
      if (!this.#stopped) this.#events.restored(meta);
    } catch (error) {
      if (!this.#stopped) this.#events.failed(error);
    }
  }
}
