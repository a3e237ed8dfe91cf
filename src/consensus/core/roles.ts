/** What a node keeps only while it has a role; gone with the role, so that no field outlives its meaning. */
import { type Progress } from "./progress.ts";
import { type Index, type NodeId } from "./types.ts";

export interface FollowerRole {
  readonly name: "follower";
}

export interface CandidateRole {
  readonly name: "precandidate" | "candidate";
  readonly votes: Map<NodeId, boolean>;
}

export interface WaitingRead {
  readonly from: NodeId;
  readonly context: number;
}

export interface LeaderReads {
  /** The newest heartbeat round. */
  round: number;
  /** For the next round. */
  queued: WaitingRead[];
  /** Waiting for a quorum to answer `round`. */
  confirming: {
    readonly round: number;
    readonly index: Index;
    readonly reads: readonly WaitingRead[];
  }[];
}

export interface LeaderRole {
  readonly name: "leader";
  /** One for every node that is streamed to, and one for itself. */
  readonly peers: Map<NodeId, Progress>;
  readonly reads: LeaderReads;
  ticksSinceHeartbeat: number;
  /** Bytes proposed in this term that are not committed. */
  uncommittedBytes: number;
  /** Two voters and the other is silent: stays leader to evict it, but confirms nothing meanwhile. */
  quorumLost: boolean;
  transferee: NodeId | null;
  transferTicks: number;
  /** Something new for everybody: appends are sent when the next Ready is built, all at once. */
  fanOut: boolean;
  /** The configuration changed: what a quorum holds must be counted anew. */
  recount: boolean;
}

export type RoleState = FollowerRole | CandidateRole | LeaderRole;
