/** How members that the leader does not stream to get committed entries from each other: the ports of it. */
import { type Entry, type Index, type NodeId, type SnapshotMeta } from "../core/types.ts";
import { type ConsensusNode } from "./api.ts";
import { type DriverMetrics } from "./metrics.ts";

export interface RelayedBatch {
  readonly prevIndex: Index;
  readonly entries: readonly Entry[];
  readonly leader: NodeId | null;
  /** How long ago the leader was heard, by the member at the beginning of the way. */
  readonly leaderAgeMs: number;
}

/** The node, as the relay needs it. */
export interface RelayNode
  extends Pick<
    ConsensusNode<unknown>,
    "status" | "generation" | "chainAt" | "waitApplied" | "onChange" | "onApplied"
  > {
  readonly metrics: DriverMetrics;
  /** Takes committed entries; false when they do not fit, or the leader streams to this node. */
  takeRelayed(batch: RelayedBatch): boolean;
  /** Applied entries, at least one if there is one; null when they were compacted. */
  giveApplied(from: Index, maxBytes: number): Promise<readonly Entry[] | null>;
  /** Sends the newest snapshot; null when there is none, or too many are under way. */
  offerSnapshot(to: NodeId): SnapshotMeta | null;
  expectSnapshot(from: NodeId | null): void;
  /** A member turned out to be in another generation. */
  sawForeign(from: NodeId, generation: string): void;
}

/** Other members, over RPC. */
export interface RelayPeers {
  /** Those to whom gossip keeps a connection anyway. */
  neighbours(): readonly NodeId[];
  pull(to: NodeId, request: unknown, options: PullOptions): Promise<unknown>;
}

export interface PullOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}
