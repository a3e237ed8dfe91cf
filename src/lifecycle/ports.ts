/**
 * What the drivers of this folder need from outside. The agent connects them to consensus and the
 * writer.
 */
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type AppliedListener, type InventoryView } from "../inventory/view.ts";

export interface Leadership {
  /** True while this agent may decide for the cluster. */
  isLeader(): boolean;
  onChange(listener: () => void): () => void;
}

/**
 * Commits one command, and answers what applying it gave. Rejects with an AgentError when that is
 * not known: no leader, overloaded, UNKNOWN_OUTCOME, stopped.
 */
export type Propose = (command: Command) => Promise<CommandResult>;

/** Resolves when the replica has everything that was committed when it was called. */
export type ReadBarrier = (timeoutMs: number) => Promise<unknown>;

export type OnApplied = (listener: AppliedListener) => () => void;

/** What every driver here is given. */
export interface DriverDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly view: InventoryView;
  /** Hears at least of each batch that wrote more than variables. */
  readonly onApplied: OnApplied;
  readonly propose: Propose;
}

/** What those that act only on the leader are given besides. */
export interface LeaderDeps extends DriverDeps {
  readonly leadership: Leadership;
  readonly readBarrier: ReadBarrier;
}
