/** What the consensus driver needs from outside: a transport, a log, snapshots, a state machine, a clock. */
import {
  type AppendOp,
  type Configuration,
  type Entry,
  type HardState,
  type Index,
  type Message,
  type NodeId,
  type RecoveredLog,
  type SnapshotMeta,
} from "../core/types.ts";
import { type Lineage } from "../lineage/types.ts";

/** Carries messages between agents over long-lived streams; may lose and reorder between peers, never within one. */
export interface RaftTransport {
  /** False when the message cannot be queued (no connection, or the peer is too slow). */
  send(to: NodeId, messages: readonly Message[]): boolean;
  /** Registers the receiver. `from` is proven by the connection; the transport drops messages that lie about it. */
  onMessages(receive: (from: NodeId, messages: readonly Message[]) => void): void;
  /** Contact gained or lost. `closed`: the peer's side closed the connection. */
  onPeer(notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void): void;
  /** Streams a snapshot; resolves true when the peer has it whole and verified, false otherwise. */
  sendSnapshot(
    to: NodeId,
    meta: SnapshotMeta,
    read: (offset: number) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean>;
  /** Registers the receiver of snapshots: it gives a sink that resumes at `offset`, or null to refuse. */
  onSnapshot(accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>): void;
  /** Peers this agent streams to or hears from; connections to them are kept up. */
  setPeers(peers: readonly NodeId[]): void;
  /**
   * From now on messages and snapshots are sent as of this generation (its id), and those of another one are dropped
   * before anybody sees them.
   */
  setGeneration(id: string): void;
  /** Registers who hears that a peer is in another generation: with every frame or snapshot that was dropped. */
  onForeignGeneration(notify: (from: NodeId, id: string) => void): void;
}

export interface SnapshotSink {
  readonly offset: number;
  write(bytes: Uint8Array): Promise<void>;
  /** Verifies size and SHA-256; throws `SNAPSHOT_CORRUPT` when they do not match. */
  finish(): Promise<void>;
  abort(): Promise<void>;
}

/** `salvaged`: it was corrupt, and was started over from its sound part (salvage.ts). */
export type LogHealth = "ok" | "torn-tail" | "corrupt" | "salvaged";

/** One atomic write: what the core asks for, or a change of generation. */
export interface LogWrite extends Omit<AppendOp, "after"> {
  /** Replaces the lineage, in the same batch as everything else of the write. */
  readonly lineage?: Lineage;
  /** Forgets every entry, configuration and snapshot first: the log starts over at index 1, with no member. */
  readonly clear?: true;
}

export interface LogOpening {
  readonly recovered: RecoveredLog;
  readonly lineage: Lineage;
  readonly health: LogHealth;
  readonly detail: string;
}

/** What a store begins with that has nothing yet. */
export interface LogGenesis {
  /** Null for a joining agent (empty configuration). */
  readonly bootstrap: Configuration | null;
  readonly lineage: Lineage;
  /** A store that has nothing lost everything. */
  readonly hadLog?: boolean;
}

/** Durable log, hard state, configurations and lineage of one agent. Any rejected write is final: fail-stop. */
export interface LogStore {
  /** Reads everything back. Once more, after it was opened: only when nothing else goes on with the store. */
  open(genesis: LogGenesis): Promise<LogOpening>;
  /** Resolves after the op is durable (fsync), ops in order. */
  append(op: LogWrite): Promise<void>;
  /** Hash chain (hex) behind the entry at `index`; null when it is not known any more, or not yet. */
  chainAt(index: Index): Promise<string | null>;
  /** Entries from `from`, contiguous, at most `maxBytes` (at least one); null when `from` was compacted. */
  read(from: Index, maxBytes: number): Promise<readonly Entry[] | null>;
  /** Forgets entries before `first`. */
  compact(first: Index): Promise<void>;
  /** Replaces everything by a snapshot. */
  reset(meta: SnapshotMeta, hardState: HardState): Promise<void>;
  sizeBytes(): number;
  close(): Promise<void>;
}

/** What a snapshot says about the log it was taken of. */
export type SnapshotPosition = Pick<
  SnapshotMeta,
  "index" | "term" | "config" | "chain" | "generation"
>;

export interface SnapshotStore {
  create(at: SnapshotPosition, bytes: AsyncIterable<Uint8Array>): Promise<SnapshotMeta>;
  latest(): Promise<SnapshotMeta | null>;
  read(id: string, offset: number): AsyncIterable<Uint8Array>;
  /** A sink for a snapshot from a peer; resumes an earlier partial one with the same id. */
  receive(meta: SnapshotMeta): Promise<SnapshotSink>;
  /** Removes the complete snapshots that are older than the newest one. */
  prune(): Promise<void>;
  /** Removes the complete ones that are of no use, whatever they are newer than. */
  retain(useful: (meta: SnapshotMeta) => boolean): Promise<void>;
}

/** The replicated state. `R` is what applying one command entry answers. Deterministic and synchronous. */
export interface StateMachine<R> {
  /** Applies entries in order (command entries give a result; others give null) and remembers the last index. */
  apply(entries: readonly Entry[]): readonly (R | null)[];
  readonly appliedIndex: Index;
  /** A consistent image of now; encoding may go on while later entries are applied. */
  snapshot(): { readonly index: Index; readonly bytes: AsyncIterable<Uint8Array> };
  restore(bytes: AsyncIterable<Uint8Array>, index: Index): Promise<void>;
  /** SHA-256 of the state, hex: equal on all agents at equal index. */
  hash(): string;
}
