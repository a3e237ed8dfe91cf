/**
 * Vocabulary of the pure core. A member speaks of itself in signed records (alive, or leaving); others may
 * only accuse it, at an incarnation that it signed. So nobody can speak for another, and each accusation
 * can be refuted by the accused with a higher incarnation.
 */
import { type PeerId } from "../../base/ids.ts";

/** Dense index of a member in the Directory. -1: unknown. */
export type Ix = number;

export const Status = { none: 0, alive: 1, suspect: 2, failed: 3, left: 4 } as const;
export type StatusCode = (typeof Status)[keyof typeof Status];

/** Protocol versions this code speaks. */
export const protocolMin = 1;
export const protocolMax = 1;

export interface SelfRecord {
  readonly id: PeerId;
  readonly incarnation: number;
  /** 32 hexadecimal digits, new at each start of the process. */
  readonly bootId: string;
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** A good-bye: the member leaves on purpose. */
  readonly leaving: boolean;
  /** The member judges itself slow: do not ask it to probe others. */
  readonly degraded: boolean;
  readonly name: string;
  readonly address: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** `bytes` is the encoded body that `signature` covers. */
export interface SignedRecord {
  readonly body: SelfRecord;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** `refused`: the accuser saw the connection close and the re-dial refused (only with `suspect`). */
export interface Accusation {
  readonly kind: "suspect" | "failed";
  readonly member: Ix;
  readonly incarnation: number;
  readonly from: Ix;
  readonly refused: boolean;
}

export interface AliveNotice {
  readonly kind: "alive";
  readonly record: SignedRecord;
}

export type Rumour = Accusation | AliveNotice;

export type Message =
  | { readonly kind: "ping"; readonly seq: number; readonly target: Ix }
  | { readonly kind: "ack"; readonly seq: number }
  | { readonly kind: "pingRequest"; readonly seq: number; readonly target: Ix }
  | { readonly kind: "nack"; readonly seq: number }
  | Rumour;

export type Frame = readonly Message[];

/** 13 bytes per member on the wire. Members the reader cannot name arrive in `unknown`, when they are up. */
export interface Digest {
  readonly members: Int32Array;
  readonly incarnations: Uint32Array;
  readonly states: Uint8Array;
  readonly unknown: readonly string[];
}

export interface ViewHash {
  readonly high: number;
  readonly low: number;
}

export type SyncRequest =
  | { readonly kind: "compare"; readonly hash: ViewHash; readonly record: SignedRecord }
  | {
      readonly kind: "exchange";
      readonly wantMembers: readonly Ix[];
      readonly wantKeys: readonly string[];
      readonly records: readonly SignedRecord[];
      readonly accusations: readonly Accusation[];
    };

export type SyncAnswer =
  | { readonly kind: "same" }
  | { readonly kind: "digest"; readonly digest: Digest }
  /** Too many ask at once: a few members to ask instead. */
  | { readonly kind: "busy"; readonly records: readonly SignedRecord[] }
  | {
      readonly kind: "records";
      readonly records: readonly SignedRecord[];
      readonly accusations: readonly Accusation[];
    };

export type Input =
  | { readonly kind: "frame"; readonly from: Ix; readonly frame: Frame }
  | { readonly kind: "syncAnswer"; readonly from: Ix; readonly answer: SyncAnswer }
  | { readonly kind: "syncFailed"; readonly from: Ix }
  | {
      readonly kind: "connection";
      readonly peer: Ix;
      readonly state: "open" | "closed" | "refused" | "timeout";
    }
  | { readonly kind: "describe"; readonly change: SelfChange }
  | { readonly kind: "contact"; readonly peers: readonly Ix[] }
  | { readonly kind: "leave" }
  | { readonly kind: "evict"; readonly member: Ix }
  | { readonly kind: "loopLag"; readonly worstMs: number };

export type SelfChange = Partial<Pick<SelfRecord, "address" | "tags">>;

export type CoreEventKind = "join" | "alive" | "suspect" | "failed" | "left" | "update" | "reap";

/** Effects. The host carries them out at once and never calls the core back from inside. */
export interface Outbox {
  /** False when the frame was dropped at once. */
  frame(to: Ix, frame: Frame): boolean;
  /** The host answers each request with `syncAnswer` or `syncFailed`. */
  sync(to: Ix, request: SyncRequest): void;
  want(neighbours: readonly Ix[]): void;
  event(kind: CoreEventKind, member: Ix): void;
  rtt(member: Ix, milliseconds: number): void;
  /** This agent's own record with this incarnation came from another process: `count` times so far. */
  conflict(count: number): void;
  /** The good-bye was sent as often as a rumour may be sent. */
  farewellSpread(): void;
}

/** One call of the core: the time, and where effects go. */
export interface Turn {
  readonly now: number;
  readonly out: Outbox;
}

/** Signs and checks self-records. Synchronous, since the core is. */
export interface RecordAuthority {
  seal(body: SelfRecord): SignedRecord;
  verify(record: SignedRecord): boolean;
}

/** Who may become a member: decided by the inventory, not by gossip. */
export interface JoinPolicy {
  /** `carrier`: the member that brought the record of the unknown `subject`. */
  mayJoin(subject: PeerId, carrier: PeerId): boolean;
}
