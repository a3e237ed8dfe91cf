/**
 * Feeds the log: one write at a time, everything that came meanwhile in the next (double buffering). What waits
 * for an operation to be durable is released only when it and all before it are. A commit index on its own is not
 * worth a write: it goes with the next one, since after a crash it is learned again.
 */
import { type Clock } from "../../base/clock.ts";
import { type AppendOp, type HardState } from "../core/types.ts";
import { mergeableCount, type MergedOp, mergeWrites } from "./merge-writes.ts";
import { type DriverMetrics } from "./metrics.ts";
import { type LogStore } from "./ports.ts";

export interface LogWriterEvents {
  /** These operations are durable, in order. */
  durable(ops: readonly AppendOp[]): void;
  /** A write failed. Nothing is written any more. */
  failed(error: unknown): void;
}

export class LogWriter {
  readonly #log: LogStore;
  readonly #clock: Clock;
  readonly #metrics: DriverMetrics;
  readonly #events: LogWriterEvents;
  #queue: AppendOp[] = [];
  /** Accepted, but not handed to the log. */
  #unwritten: HardState | null = null;
  #writingSince: number | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    dependencies: {
      readonly log: LogStore;
      readonly clock: Clock;
      readonly metrics: DriverMetrics;
    },
    events: LogWriterEvents,
  ) {
    this.#log = dependencies.log;
    this.#clock = dependencies.clock;
    this.#metrics = dependencies.metrics;
    this.#events = events;
  }

  enqueue(op: AppendOp): void {
    const idle = this.#writingSince === null && this.#queue.length === 0;
    if (idle && !this.#stopped && !isWorthWriting(op)) {
      this.#letPass(op.hardState, [op]);
      return;
    }
    this.#queue.push(op);
    if (this.#writingSince === null && !this.#stopped) this.#running = this.#drain();
  }

  /** How long the write under way has taken so far; 0 when there is none. */
  busyMs(nowMs: number): number {
    return this.#writingSince === null ? 0 : nowMs - this.#writingSince;
  }

  /** Writes what is queued, releases nothing more, and resolves when the disk is quiet. */
  async stop(): Promise<void> {
    const failed = this.#stopped;
    this.#stopped = true;
    await this.#running;
    const hardState = this.#unwritten;
    if (failed || hardState === null) return;
    const empty = { seq: 0, truncateFrom: null, entries: [], snapshot: null, mustSync: false };
    await this.#log.append({ ...empty, hardState }).catch(() => {
      // Nothing was promised about a commit index.
    });
  }

  /** Nothing of it needs the disk before those do that are written. */
  #letPass(hardState: HardState | null, ops: readonly AppendOp[]): void {
    this.#unwritten = hardState ?? this.#unwritten;
    if (!this.#stopped) this.#events.durable(ops);
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const ops = this.#queue.splice(0, mergeableCount(this.#queue));
      const [first, ...rest] = ops;
      if (first === undefined) return;
      const merged = mergeWrites([first, ...rest]);
      if (!isWorthWriting(merged)) {
        this.#letPass(merged.hardState, ops);
        continue;
      }
      this.#metrics.pendingWrites = this.#queue.length;
      const begun = this.#clock.monotonicMs();
      this.#writingSince = begun;
      try {
        const hardState = merged.hardState ?? this.#unwritten;
        this.#unwritten = null;
        await this.#log.append({ ...merged, hardState });
      } catch (error) {
        this.#queue = [];
        this.#stopped = true;
        this.#events.failed(error);
        return;
      }
      this.#writingSince = null;
      this.#metrics.writes += 1;
      this.#metrics.operations += ops.length;
      this.#metrics.writeMs.observe(this.#clock.monotonicMs() - begun);
      if (!this.#stopped) this.#events.durable(ops);
    }
  }
}

function isWorthWriting({ entries, truncateFrom, snapshot, mustSync }: MergedOp): boolean {
  return mustSync || entries.length > 0 || truncateFrom !== null || snapshot !== null;
}
