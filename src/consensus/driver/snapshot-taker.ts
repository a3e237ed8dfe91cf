/** Takes a snapshot when the log has grown enough. Encoding gives way to the event loop after every chunk. */
import { assert, must } from "../../base/assert.ts";
import { type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type Configuration, type Index, type SnapshotMeta, type Term } from "../core/types.ts";
import { type DriverMetrics } from "./metrics.ts";
import { type LogStore, type SnapshotStore, type StateMachine } from "./ports.ts";
import { type Scheduler } from "./scheduler.ts";

export interface SnapshotLimits {
  readonly snapshotEntries: number;
  readonly snapshotLogBytes: number;
  readonly trailingBytes: number;
}

interface Dependencies {
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine<unknown>;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly metrics: DriverMetrics;
  readonly logger: Logger;
}

/** Where the state machine stands. */
export interface AppliedPosition {
  readonly index: Index;
  readonly term: Term;
  readonly config: Configuration;
  /** Id of the generation it was reached in. */
  readonly generation: string;
}

const retryAfterMs = 30_000;
const snapshotsPerLog = 4;

export class SnapshotTaker {
  readonly #limits: SnapshotLimits;
  readonly #deps: Dependencies;
  #newest: SnapshotMeta | null;
  #running = false;
  #notBeforeMs = 0;

  constructor(limits: SnapshotLimits, dependencies: Dependencies, newest: SnapshotMeta | null) {
    this.#limits = limits;
    this.#deps = dependencies;
    this.#newest = newest;
  }

  get newest(): SnapshotMeta | null {
    return this.#newest;
  }

  get newestIndex(): Index {
    return this.#newest?.index ?? 0;
  }

  /** A snapshot came from elsewhere (installed from the leader). */
  adopt(meta: SnapshotMeta): void {
    if (meta.index > this.newestIndex) this.#newest = meta;
  }

  due(applied: Index): boolean {
    const news = applied - this.newestIndex;
    if (this.#running || news <= 0) return false;
    if (this.#deps.clock.monotonicMs() < this.#notBeforeMs) return false;
    const { snapshotEntries, snapshotLogBytes } = this.#limits;
    const bytes = Math.max(snapshotLogBytes, snapshotsPerLog * (this.#newest?.sizeBytes ?? 0));
    if (news >= snapshotEntries) return true;
    // What trails the newest snapshot is not a reason to take another.
    return this.#deps.log.sizeBytes() > bytes + this.#limits.trailingBytes;
  }

  /** Takes one of now. Gives null when it failed; the log is kept then, and it is tried again later. */
  async take(at: AppliedPosition, signal: AbortSignal): Promise<SnapshotMeta | null> {
    const { snapshots, stateMachine, metrics, logger, clock } = this.#deps;
    this.#running = true;
    try {
      const { index, bytes } = stateMachine.snapshot();
      assert(index === at.index, "a snapshot is of what was applied");
      const chain = await this.#deps.log.chainAt(index);
      const position = { ...at, chain: must(chain ?? undefined, "what was applied is in the log") };
      const meta = await snapshots.create(position, this.#paced(bytes, signal));
      this.adopt(meta);
      metrics.snapshotsTaken += 1;
      logger.info({ index, bytes: meta.sizeBytes }, "took a snapshot");
      return meta;
    } catch (error) {
      if (signal.aborted) return null;
      metrics.snapshotsFailed += 1;
      this.#notBeforeMs = clock.monotonicMs() + retryAfterMs;
      logger.error({ error: errorMessage(error) }, "taking a snapshot failed; the log is kept");
      return null;
    } finally {
      this.#running = false;
    }
  }

  async *#paced(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      yield chunk;
      await new Promise<void>((resolve) => this.#deps.scheduler.soon(resolve));
    }
  }
}
