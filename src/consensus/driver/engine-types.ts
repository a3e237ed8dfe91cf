/** What an engine is made of, what it tells, and what it says when it is halted. */
import { type Clock } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { type Random } from "../../base/random.ts";
import {
  type CoreOptions,
  type Index,
  type NodeId,
  type RaftCore,
  type RecoveredLog,
} from "../core/types.ts";
import { type Lineage } from "../lineage/types.ts";
import { type EngineMode } from "./api.ts";
import type { IndexWaiters } from "./index-waiters.ts";
import { type ReadNumbers } from "./read-numbers.ts";
import { type DriverMetrics } from "./metrics.ts";
import {
  type LogStore,
  type RaftTransport,
  type SnapshotStore,
  type StateMachine,
} from "./ports.ts";
import { type Scheduler } from "./scheduler.ts";

export interface DriverDependencies<R> {
  readonly createCore: (options: CoreOptions, recovered: RecoveredLog) => RaftCore;
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine<R>;
  readonly transport: RaftTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /**
   * Asks the leader for a read index, for an agent that it does not stream to. Without it such an agent answers no
   * linearizable reads.
   */
  readonly askLeader?: (leader: NodeId, generation: string, signal: AbortSignal) => Promise<Index>;
}

/** What an engine runs on: the driver's dependencies and what recovery found. */
export interface EngineDependencies<R> extends DriverDependencies<R> {
  readonly recovered: RecoveredLog;
  readonly lineage: Lineage;
  readonly mode: EngineMode;
  readonly metrics: DriverMetrics;
  /** They outlive the engine. */
  readonly waiters: IndexWaiters;
  readonly readNumbers: ReadNumbers;
}

/** What callers under way are told when an engine is halted. */
export interface HaltReasons {
  /** To whoever's command was not given to the core: nothing happened. */
  readonly queued: Error;
  /** To whoever's command was: it may still happen. */
  readonly placed: Error;
  readonly reads: Error;
  /** Null: who waits for an index goes on waiting. */
  readonly waiting: Error | null;
}

export interface EngineEvents {
  /** Role, leader, term, quorum contact or configuration changed. */
  changed(): void;
  applied(index: Index): void;
  failed(error: unknown): void;
}
