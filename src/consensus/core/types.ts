/**
 * The vocabulary of the pure Raft core: what goes in (messages, ticks, proposals) and what comes out (`Ready`).
 * Shape and names follow the Raft paper and etcd-io/raft; configurations are active as soon as they are
 * appended (Ongaro's dissertation §4), storage is asynchronous, and what must not be said before something is
 * durable sits beside it in `AppendOp.after`.
 */
export type NodeId = string;
export type Term = number;
export type Index = number;

export const EntryType = { noop: 0, command: 1, config: 2, forceConfig: 3, barrier: 4 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

export interface Entry {
  readonly index: Index;
  readonly term: Term;
  readonly type: EntryType;
  /** Opaque to consensus; for config entries the encoded `Configuration` (codec.ts). */
  readonly data: Uint8Array;
}

/** Who votes (`sets`: one, or incoming and outgoing while joint), who is streamed to, who is only remembered. */
export interface Configuration {
  /** Log index of the entry that carried it; 0 for the bootstrap configuration. */
  readonly index: Index;
  readonly sets: readonly (readonly NodeId[])[];
  readonly standbys: readonly NodeId[];
  /** Voters that become standby when the joint configuration is left. */
  readonly standbysNext: readonly NodeId[];
  readonly observers: readonly NodeId[];
  /** Demoted because they were dead: remembered, not replicated to, not counted. */
  readonly lost: readonly NodeId[];
  readonly autoLeave: boolean;
}

/** The end of a log; logs are ordered by term, then by index (§5.4.1). */
export interface LogPosition {
  readonly term: Term;
  readonly index: Index;
}

export interface HardState {
  readonly term: Term;
  readonly vote: NodeId | null;
  readonly commit: Index;
}

export interface SnapshotMeta {
  readonly id: string;
  readonly index: Index;
  readonly term: Term;
  /** Hash chain of the log at `index`, hex: the log goes on from it, so chains of all replicas are comparable. */
  readonly chain: string;
  /** Id of the generation it was taken in: after a change of generation it may be of no history that counts. */
  readonly generation: string;
  readonly config: Configuration;
  readonly sizeBytes: number;
  /** SHA-256 of the whole snapshot, hex. */
  readonly sha256: string;
}

interface Base<T extends string> {
  readonly type: T;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

export type Message =
  | (Base<"PreVote" | "Vote"> & {
      readonly lastIndex: Index;
      readonly lastTerm: Term;
      readonly transfer: boolean;
    })
  | (Base<"PreVoteResp" | "VoteResp"> & { readonly granted: boolean; readonly requestTerm: Term })
  | (Base<"Append"> & {
      readonly prevIndex: Index;
      readonly prevTerm: Term;
      readonly entries: readonly Entry[];
      readonly commit: Index;
      readonly leaderLast: Index;
    })
  | (Base<"AppendResp"> & {
      readonly ok: boolean;
      /** ok: last index known durable here; else the rejected prevIndex. */
      readonly index: Index;
      readonly hintIndex: Index;
      readonly hintTerm: Term;
    })
  | (Base<"Heartbeat"> & {
      readonly commit: Index;
      readonly leaderLast: Index;
      /** Read and check-quorum round this beat belongs to. */
      readonly round: number;
    })
  | (Base<"HeartbeatResp"> & { readonly round: number })
  | (Base<"Snapshot"> & { readonly meta: SnapshotMeta })
  | Base<"TimeoutNow">
  | (Base<"ReadIndex"> & { readonly context: number })
  | (Base<"ReadIndexResp"> & {
      readonly context: number;
      readonly index: Index;
      readonly ok: boolean;
    });

/** One atomic write. All fields of one op become durable together, ops in `seq` order. */
export interface AppendOp {
  readonly seq: number;
  /** Delete entries ≥ this index first. */
  readonly truncateFrom: Index | null;
  readonly entries: readonly Entry[];
  readonly hardState: HardState | null;
  /** Install this snapshot (already received) before the entries; the log restarts behind it. */
  readonly snapshot: SnapshotMeta | null;
  /** False only for pure commit-index updates. */
  readonly mustSync: boolean;
  /** May leave only when this op and all before it are durable. Acks to self are messages with to === self. */
  readonly after: readonly Message[];
}

/**
 * Entries that are no longer in memory: the driver reads them and calls `loaded`. `to` is the follower that needs
 * them; `to === self` are committed entries that the own state machine has not been given yet.
 */
export interface LoadRequest {
  readonly to: NodeId;
  readonly term: Term;
  readonly from: Index;
  readonly maxBytes: number;
}

export interface ReadResult {
  readonly context: number;
  readonly index: Index;
  readonly ok: boolean;
}

export type Role = "follower" | "precandidate" | "candidate" | "leader";

/** Everything the driver has to do, in this order: persist, send, apply, answer. */
export interface Ready {
  readonly append: AppendOp | null;
  readonly messages: readonly Message[];
  readonly committed: readonly Entry[];
  readonly loads: readonly LoadRequest[];
  readonly reads: readonly ReadResult[];
  /** Start streaming this snapshot to that follower. */
  readonly snapshots: readonly { readonly to: NodeId; readonly meta: SnapshotMeta }[];
  /** Present when role, leader, term or quorum contact changed. */
  readonly soft: {
    readonly role: Role;
    readonly leader: NodeId | null;
    readonly term: Term;
    readonly quorumLost: boolean;
  } | null;
  readonly config: {
    readonly effective: Configuration;
    readonly committed: Configuration;
  } | null;
}

export type ProposeRefusal =
  | "not-leader"
  | "transferring"
  | "busy"
  | "too-large"
  | "quorum-lost"
  | "config-rule";
export type ProposeResult =
  | { readonly ok: true; readonly first: Index; readonly last: Index; readonly term: Term }
  | {
      readonly ok: false;
      readonly reason: ProposeRefusal;
      readonly leader: NodeId | null;
      readonly detail: string;
    };

export type ConfigChange =
  | {
      readonly op: "promote" | "demote" | "lose" | "addStandby" | "addObserver" | "remove";
      readonly node: NodeId;
    }
  | { readonly op: "swap"; readonly out: NodeId; readonly in: NodeId }
  | { readonly op: "leaveJoint" };

/** What storage found at open. `termRuns` covers every retained entry, so that termAt is always answerable. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** Configurations in the retained log, oldest first; the first is that of the snapshot or bootstrap. */
  readonly configs: readonly Configuration[];
  readonly snapshot: SnapshotMeta | null;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly termRuns: readonly { readonly first: Index; readonly term: Term }[];
  /** Newest entries, contiguous up to lastIndex, as many as are worth keeping in memory. */
  readonly tail: readonly Entry[];
  readonly applied: Index;
}

export interface CoreOptions {
  readonly self: NodeId;
  /** Ticks without a leader before an election; the real timeout is drawn from [1, 2) times this. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Two voters, the other silent this long: the leader evicts it and goes on alone (0 = off). */
  readonly evictTicks: number;
  /** Asked before an eviction; without it, it is allowed. A fence may have to succeed first. */
  readonly mayEvict?: (partner: NodeId) => boolean;
  readonly maxAppendBytes: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  readonly maxUncommittedBytes: number;
  readonly maxApplyBytes: number;
  readonly maxEntryBytes: number;
  /** Bytes of newest entries kept in memory for followers. */
  readonly maxTailBytes: number;
  /**
   * Until its log ends here or later an agent does not stand for election: its configuration may be one that its
   * generation has left behind.
   */
  readonly standFrom?: LogPosition;
  /**
   * Until its log ends here or later an agent neither stands nor votes: it started over with an empty log in a
   * generation in which it may have voted and acknowledged before, and an older configuration may still count it.
   */
  readonly voteFrom?: LogPosition;
  /** A uniform float in [0, 1): randomises election timeouts. */
  readonly random: () => number;
}

/**
 * Committed entries behind `prevIndex` from a member that applied them, not from the leader's stream. Who relays must
 * have the same hash chain at `prevIndex`.
 */
export interface Relayed {
  readonly prevIndex: Index;
  readonly entries: readonly Entry[];
  /** Who leads, as far as the relaying member knows; null when it knows no leader. */
  readonly leader: NodeId | null;
  /** For so many ticks that is believed. */
  readonly leaderTicks: number;
}

/** Why an input was ignored. */
export type DropReason =
  | "malformed"
  | "wrong-receiver"
  | "unknown-sender"
  | "stale-term"
  | "second-leader"
  | "beyond-log"
  | "not-of-this-log"
  | "unexpected";

export interface PeerProgress {
  readonly match: Index;
  readonly next: Index;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly inflight: number;
  readonly ticksSinceAck: number;
  /** True once the follower was within reach of the leader's last index: promotable. */
  readonly caughtUp: boolean;
}

export interface CoreStatus {
  readonly role: Role;
  readonly term: Term;
  readonly vote: NodeId | null;
  readonly leader: NodeId | null;
  /** The leader is known from other members only: it does not stream to this node. */
  readonly relayed: boolean;
  readonly commit: Index;
  readonly applied: Index;
  readonly first: Index;
  readonly last: Index;
  readonly lastTerm: Term;
  readonly persisted: Index;
  readonly leaderLast: Index;
  readonly effective: Configuration;
  readonly committed: Configuration;
  /** On the leader: no quorum was heard for an election timeout. Elsewhere: no leader is known. */
  readonly quorumLost: boolean;
  readonly transferee: NodeId | null;
  readonly peers: ReadonlyMap<NodeId, PeerProgress>;
}

/**
 * The pure core. Synchronous; never throws on remote input (bad input is counted and dropped); throws
 * AssertionError on its own broken invariants.
 */
export interface RaftCore {
  step(message: Message): void;
  tick(): void;
  campaign(force?: boolean): void;
  propose(data: readonly Uint8Array[], type?: EntryType): ProposeResult;
  proposeConfig(change: ConfigChange): ProposeResult;
  /** Asks for a linearizable read; the answer is a `ReadResult` with the same context in a later Ready. */
  readIndex(context: number): void;
  transfer(to: NodeId | null): void;
  /** The transport lost contact: `closed` (the peer's process is gone) voids leader stickiness. */
  unreachable(id: NodeId, evidence: "closed" | "timeout" | "backpressure"): void;
  snapshotResult(id: NodeId, ok: boolean): void;
  /** Entries of a LoadRequest, or null when they were compacted. Ignored when it came too late. */
  loaded(request: LoadRequest, entries: readonly Entry[] | null): void;
  hasReady(): boolean;
  ready(): Ready;
  persisted(seq: number): void;
  applied(index: Index): void;
  compacted(firstIndex: Index): void;
  snapshotTaken(meta: SnapshotMeta): void;
  /** A snapshot offered by `Snapshot` was received whole and verified: install it. */
  snapshotReceived(meta: SnapshotMeta): void;
  /** Takes what another member relays; false when it does not fit this log, or the leader streams to this node. */
  relayed(batch: Relayed): boolean;
  stepDown(reason: string): void;
  status(): CoreStatus;
  /** How many inputs were ignored, by reason (a metric). */
  dropped(): ReadonlyMap<DropReason, number>;
  assertInvariants(): void;
}
