/**
 * What the API needs of the agent. Handlers see the cluster only through this port, so that they run the same on a
 * real agent and on an inventory in a test.
 */
import { type Clock } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type TranscriptPart } from "../config-engine/ports.ts";
import { type ConsensusStatus } from "../consensus/driver/api.ts";
import { type Generation, type SurvivorPlan } from "../consensus/lineage/types.ts";
import { type EventRing } from "../gossip/driver/event-ring.ts";
import { type GossipHealth, type MemberView } from "../gossip/ports.ts";
import { type Command, type CommandResult, type Envelope } from "../inventory/commands.ts";
import { type AppliedListener, type InventoryView } from "../inventory/view.ts";
import { type Member, type Mode } from "./contract/cluster.ts";

/** Who asks. `actor` goes into history and audit: `operator`, `token:ID`. */
export interface Caller {
  readonly actor: string;
  readonly role: "admin" | "reader";
}

export interface SubmitOptions {
  readonly by: string;
  readonly idempotency: Envelope["idempotency"];
}

export interface NewToken {
  readonly id: string;
  /** What the operator hands on. */
  readonly token: string;
  /** SHA-256 of the secret, hex: what the inventory keeps. */
  readonly verifier: string;
}

/** The agent that answers. */
export interface AgentIdentity {
  readonly id: PeerId;
  readonly name: string;
  readonly version: string;
}

export interface LineageOutlook {
  /** In words: what it waits for, or why it acts. */
  readonly why: string;
  /** Until it would go on by itself if nothing changes; null when time alone will not help. */
  readonly waitMs: number | null;
}

export interface RemovalClaims {
  readonly claims: readonly { readonly by: PeerId; readonly index: number }[];
  /** How many members must say so before it is believed. */
  readonly needed: number;
}

/** The tree of generations as this agent knows it, and the operator's hand on it. */
export interface LineagePort {
  /** From bootstrap to the current one (last); never empty. */
  generations(): readonly Generation[];
  /** Which of them answers for the entry at `index`: with it, an index means one entry in all histories. */
  writtenIn(index: number): string;
  /** True until every member that was lost at the fork is back or forgotten. */
  isProvisional(): boolean;
  /** Whom a provisional history waits for. */
  leftBehind(): readonly PeerId[];
  /** What is done about a lost quorum; null while one is in sight, or an election may still find one. */
  outlook(): LineageOutlook | null;
  /**
   * Asks all that answer, and says what `recover` would do. The hash stands for exactly this plan.
   * @throws AgentError CONFLICT when there is nothing to recover from: a quorum is in sight.
   */
  plan(): Promise<SurvivorPlan>;
  /**
   * Forces a new generation by the plan with this hash, without waiting for silence. Resolves when it is committed.
   * @throws AgentError PLAN_CHANGED (details.hash: the one of now), CONFLICT, UNKNOWN_OUTCOME, DEADLINE.
   */
  recover(hash: string): Promise<Generation>;
}

export interface ApiContext {
  readonly view: InventoryView;
  readonly clock: Clock;
  readonly logger: Logger;
  onApplied(listener: AppliedListener): () => void;
  /**
   * Resolves when the command is applied on this agent, with its result.
   * @throws AgentError NO_LEADER, READ_ONLY, BUSY, TOO_LARGE (nothing happened), UNKNOWN_OUTCOME, STOPPED, NO_CLUSTER.
   */
  submit(command: Command, options: SubmitOptions): Promise<CommandResult>;
  /** Resolves when this replica has all that was committed at the call. @throws AgentError NO_LEADER. */
  readBarrier(timeoutMs: number): Promise<unknown>;
  /** SHA-256 of the replica as it is now, hex, and the index it is of: equal on all agents at one index. */
  stateHash(): { readonly index: number; readonly sha256: string };
  identity(): AgentIdentity;
  mode(): Mode;
  generation(): number;
  /** Null before the agent has joined a cluster. */
  lineage(): LineagePort | null;
  /** Members say that this agent was evicted, and they are too few or gainsaid; null when nobody says so. */
  removal(): RemovalClaims | null;
  /** Null before the agent has joined a cluster. */
  consensus(): ConsensusStatus | null;
  /** As in `consensus`, for every answer's headers, where building a whole status would cost too much. */
  leaderContactMs(): number | null;
  members(): readonly MemberView[];
  /** Null before the agent has joined. */
  gossipHealth(): GossipHealth | null;
  /** What agents told each other; null before the agent has joined. */
  userEvents(): EventRing | null;
  /** What another agent's gossip sees. @throws AgentError NODE_NOT_REACHABLE, UNSUPPORTED, NO_CLUSTER. */
  membersOf(peer: PeerId, name: string): Promise<Member[]>;
  /**
   * Hands leadership on, wherever the leader is; null: to the best voter. False when it did not take place in time.
   * @throws AgentError NO_LEADER, CONFLICT (not a voter).
   */
  transferLeadership(to: PeerId | null, timeoutMs: number): Promise<boolean>;
  /** Like `TranscriptStore.read`, from whichever agent has the transcript. @throws AgentError NOT_FOUND, … */
  readTranscript(run: string, options: TranscriptRequest): Promise<TranscriptPart>;
  /** Mints a token; nothing is stored. */
  newToken(kind: "join" | "api"): NewToken;
  /** Null when the token is unknown, revoked, expired, or not for the API. */
  authenticate(token: string): Caller | null;
  newId(): string;
}

export interface TranscriptRequest {
  readonly offset: number;
  readonly maxBytes: number;
  /** Waits so long for more when there is nothing at `offset` yet. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}
