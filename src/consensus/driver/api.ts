/** What the rest of the agent sees of consensus. `R` is the state machine's result of one command. */
import { type Service } from "../../base/service.ts";
import {
  type ConfigChange,
  type Configuration,
  type CoreStatus,
  type Index,
  type LogPosition,
  type NodeId,
  type ProposeResult,
  type Term,
} from "../core/types.ts";

import { type Generation, type Lineage, type LineagePromise } from "../lineage/types.ts";

export interface Applied<R> {
  readonly index: Index;
  readonly term: Term;
  readonly result: R;
}

/**
 * `running`: takes part in Raft. `promised`: promised to leave its generation and acts in it no more, for good.
 * `held`: waits for `release`. The last two recover, apply what is known to be committed, and serve reads of that.
 */
export type EngineMode = "running" | "promised" | "held";

/** How an agent comes into another generation. */
export type EnterStep =
  /** As its coordinator: keeps its whole log and begins `child` with a ForceConfig of `term`. */
  | { readonly kind: "force"; readonly child: Generation; readonly term: Term }
  /** Follows into a descendant of its generation: keeps its log up to the first fork on the way. */
  | { readonly kind: "adopt"; readonly generations: readonly Generation[] }
  /** Starts over, with an empty log, in a history that won. Everything worth keeping was exported before. */
  | {
      readonly kind: "reset";
      readonly generations: readonly Generation[];
      /** The winner's commit position: before its log is so long again this agent does not vote. */
      readonly voteFrom: LogPosition;
    };

export interface LogStanding {
  /** What was wrong with it, when it was damaged and started over at this start. */
  readonly salvaged: string | null;
  /** It holds all that this node had acknowledged, so the node may vote. */
  readonly trusted: boolean;
}

export interface ConsensusStatus extends CoreStatus {
  readonly engine: EngineMode;
  /** Milliseconds since the leader was heard (0 on the leader while it has its quorum); null when never. */
  readonly leaderContactMs: number | null;
  readonly snapshotIndex: Index;
  readonly health: "ok" | "failed";
  readonly log: LogStanding;
}

export interface ConsensusNode<R> extends Service {
  /**
   * On the leader: appends, and resolves when the entry is committed and applied here.
   * @throws AgentError NOT_LEADER (nothing happened; details.leader), BUSY (nothing happened; details.retryAfterMs),
   *   TOO_LARGE, STOPPED (nothing happened), UNKNOWN_OUTCOME (it may still happen, here or in a child generation).
   */
  propose(data: Uint8Array, signal?: AbortSignal): Promise<Applied<R>>;
  /** On the leader: others hear at once that `index` is committed, not with the next entries or a moment later. */
  hasten(index: Index): void;
  /**
   * On any agent: resolves when this replica has everything that was committed when it was called.
   * @throws AgentError NO_LEADER when no leader confirmed it in time.
   */
  readBarrier(timeoutMs: number): Promise<Index>;
  waitApplied(index: Index, timeoutMs: number): Promise<void>;
  /** The result of a command that was applied here lately (a bounded ring), or null. */
  resultAt(index: Index, term: Term): R | null;
  proposeConfig(change: ConfigChange): ProposeResult;
  transferLeadership(to: NodeId | null, timeoutMs: number): Promise<boolean>;
  status(): ConsensusStatus;
  /** Called when role, leader, term, quorum contact or configuration changed. */
  onChange(listener: (status: ConsensusStatus) => void): () => void;
  /** Called after entries were applied. */
  onApplied(listener: (index: Index) => void): () => void;
  /** Called once when storage failed: the agent must stop (exit 75). */
  onFailure(listener: (error: Error) => void): void;
  generation(): Generation;
  lineage(): Lineage;
  /** Hash chain (hex) behind the entry at `index`; null when it is not known any more, or not yet. */
  chainAt(index: Index): Promise<string | null>;
  /** Lets a node take part that was started `held`; nothing for others. */
  release(): Promise<void>;
  /**
   * Makes `promise` durable. From then on this node neither votes nor acknowledges nor leads in its generation, also
   * not after a restart; callers under way hear NOT_LEADER or UNKNOWN_OUTCOME.
   */
  promise(promise: LineagePromise): Promise<void>;
  /**
   * Leaves the generation for good, as by a promise, and applies the whole log as if it were committed: nothing can be
   * acknowledged here any more that the state machine does not hold.
   */
  freeze(): Promise<void>;
  /**
   * Goes into another generation, in one durable write, and goes on there as after a restart. After a crash the node is
   * in the old generation or in the new one, never between.
   * @throws ConsensusError GENERATION_MISMATCH when the step does not fit; nothing was changed then.
   */
  enter(step: EnterStep): Promise<void>;
  /** Called when a peer talks as a member of another generation (its id); what it said was dropped. */
  onForeignGeneration(listener: (from: NodeId, id: string) => void): () => void;
}

/** True on a leader that has its quorum. */
export function leads({ role, quorumLost }: ConsensusStatus): boolean {
  return role === "leader" && !quorumLost;
}

export function votersOf(configuration: Configuration): readonly NodeId[] {
  return [...new Set(configuration.sets.flat())];
}
