/** What the rest of the agent sees of consensus. `R` is the state machine's result of one command. */
import { type Service } from "../../base/service.ts";
import {
  type ConfigChange,
  type Configuration,
  type CoreStatus,
  type Index,
  type NodeId,
  type ProposeResult,
  type Term,
} from "../core/types.ts";

export interface Applied<R> {
  readonly index: Index;
  readonly term: Term;
  readonly result: R;
}

export interface ConsensusStatus extends CoreStatus {
  /** Milliseconds since the leader was heard (0 on the leader while it has its quorum); null when never. */
  readonly leaderContactMs: number | null;
  readonly snapshotIndex: Index;
  readonly health: "ok" | "failed";
}

export interface ConsensusNode<R> extends Service {
  /**
   * On the leader: appends, and resolves when the entry is committed and applied here.
   * @throws AgentError NOT_LEADER (nothing happened; details.leader), BUSY (nothing happened; details.retryAfterMs),
   *   TOO_LARGE (nothing happened), UNKNOWN_OUTCOME (it may still happen), STOPPED.
   */
  propose(data: Uint8Array, signal?: AbortSignal): Promise<Applied<R>>;
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
}

export function votersOf(configuration: Configuration): readonly NodeId[] {
  return [...new Set(configuration.sets.flat())];
}
