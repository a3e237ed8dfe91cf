/**
 * All a node does with snapshots: takes its own and compacts the log behind them, sends the newest to followers
 * that fell too far behind, receives one from the leader or a neighbour, and removes what is superseded.
 */
import { type Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import {
  type CoreStatus,
  type Index,
  type NodeId,
  type RaftCore,
  type SnapshotMeta,
} from "../core/types.ts";
import { keepFrom, neededBy, type RetentionLimits } from "./log-retention.ts";
import { type DriverMetrics } from "./metrics.ts";
import {
  type LogStore,
  type RaftTransport,
  type SnapshotStore,
  type StateMachine,
} from "./ports.ts";
import { type Scheduler } from "./scheduler.ts";
import { SnapshotExchange } from "./snapshot-exchange.ts";
import { type AppliedPosition, type SnapshotLimits, SnapshotTaker } from "./snapshot-taker.ts";

export interface SnapshotsDependencies {
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine<unknown>;
  readonly transport: RaftTransport;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly metrics: DriverMetrics;
  readonly logger: Logger;
  readonly background: Background;
}

export interface SnapshotsEvents {
  /** The core, which exists when the first of these is called. */
  core(): RaftCore;
  leader(): NodeId | null;
  /** The core was told something: it wants a turn. */
  wake(): void;
  failed(error: unknown): void;
}

/** A member has a disk and a network for its own work too. */
const maxOffered = 2;

export class Snapshots {
  readonly #limits: RetentionLimits;
  readonly #deps: SnapshotsDependencies;
  readonly #events: SnapshotsEvents;
  readonly #taker: SnapshotTaker;
  readonly #exchange: SnapshotExchange;
  /** The member, not the leader, that was asked for one. */
  #asked: NodeId | null = null;

  constructor(
    limits: SnapshotLimits & RetentionLimits,
    dependencies: SnapshotsDependencies & { readonly newest: SnapshotMeta | null },
    events: SnapshotsEvents,
  ) {
    this.#limits = limits;
    this.#deps = dependencies;
    this.#events = events;
    this.#taker = new SnapshotTaker(limits, dependencies, dependencies.newest);
    this.#exchange = new SnapshotExchange(dependencies, {
      sent: (to, ok) => this.#tell((core) => core.snapshotResult(to, ok)),
      received: (meta) => this.#tell((core) => core.snapshotReceived(meta)),
      expectation: () => ({
        from: [events.leader(), this.#asked],
        commit: events.core().status().commit,
      }),
    });
  }

  get newestIndex(): Index {
    return this.#taker.newestIndex;
  }

  send(to: NodeId, meta: SnapshotMeta): void {
    this.#exchange.send(to, meta);
  }

  /** Sends the newest to a member that asked; null when there is none, or too many are under way. */
  offer(to: NodeId): SnapshotMeta | null {
    const { newest } = this.#taker;
    if (newest === null || this.#exchange.isSendingTo(to)) return newest;
    if (this.#exchange.count >= maxOffered) return null;
    this.#exchange.send(to, newest);
    return newest;
  }

  /** From now on `from` may send one as well as the leader. */
  expect(from: NodeId | null): void {
    this.#asked = from;
  }

  cancelSending(): void {
    this.#exchange.cancelAll();
  }

  /** Sends and takes none any more. */
  halt(): void {
    this.#exchange.halt();
  }

  /** Resolves when none that arrived touches the disk any more. Call after `halt`. */
  quiet(): Promise<void> {
    return this.#exchange.quiet();
  }

  /** The state machine reached `at`: takes a snapshot when one is due. */
  reached(at: AppliedPosition): void {
    if (!this.#taker.due(at.index)) return;
    this.#deps.background.run("take a snapshot", async (signal) => {
      const meta = await this.#taker.take(at, signal);
      if (meta !== null && !signal.aborted) await this.#compactBehind(meta);
    });
  }

  /** One of the leader's was installed. */
  installed(meta: SnapshotMeta): void {
    this.#taker.adopt(meta);
    this.#deps.background.run("prune snapshots", () => this.#prune());
  }

  async #compactBehind(meta: SnapshotMeta): Promise<void> {
    const core = this.#events.core();
    try {
      core.snapshotTaken(meta);
      const first = this.#firstKept(meta, core.status());
      core.compacted(first);
      await this.#deps.log.compact(first);
    } catch (error) {
      this.#events.failed(error);
      return;
    }
    await this.#prune();
  }

  #firstKept(meta: SnapshotMeta, { first, last, peers }: CoreStatus): Index {
    const needed = [...this.#exchange.needed, ...neededBy(peers)];
    const extent = { first, last, bytes: this.#deps.log.sizeBytes() };
    return keepFrom(meta, extent, { limits: this.#limits, needed });
  }

  /** A follower that is being sent an older one gets it to the end. */
  async #prune(): Promise<void> {
    if (!this.#exchange.sending) await this.#deps.snapshots.prune();
  }

  #tell(tell: (core: RaftCore) => void): void {
    try {
      tell(this.#events.core());
      this.#events.wake();
    } catch (error) {
      this.#events.failed(error);
    }
  }
}
