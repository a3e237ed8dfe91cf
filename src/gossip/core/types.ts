/**
 * Vocabulary of the pure core. A member speaks of itself in signed records (alive, or leaving); others may
 * only accuse it, at an incarnation that it signed. So nobody can speak for another, and each accusation
 * can be refuted by the accused with a higher incarnation.
 */
import { type PeerId } from "../../base/ids.ts";
import { type AnswerLane, type DatagramUse, type LaneName, type Via } from "../ports.ts";

/** Dense index of a member in the Directory. -1: unknown. */
export type Ix = number;

export const Status = { none: 0, alive: 1, suspect: 2, failed: 3, left: 4 } as const;
export type StatusCode = (typeof Status)[keyof typeof Status];

/** Versions of the gossip protocol that this code speaks. */
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
  /** How it takes datagrams at its address, beside streams. */
  readonly datagrams: DatagramUse;
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

/** Something an agent tells all others; never changed, only repeated. Lamport times have 48 bits. */
export interface EventBody {
  readonly ltime: number;
  readonly origin: PeerId;
  readonly name: string;
  readonly payload: Uint8Array;
}

/** `bytes` is the encoded body that `signature` covers. */
export interface SignedEvent {
  readonly body: EventBody;
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

export interface EventNotice {
  readonly kind: "event";
  readonly event: SignedEvent;
}

export type Rumour = Accusation | AliveNotice | EventNotice;

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

/** The event clock, and a hash over the newest events: what tells two sides that they heard the same. */
export interface EventMark {
  readonly clock: number;
  readonly hash: number;
}

/** The newest events that one side heard. */
export interface EventsTold {
  readonly clock: number;
  readonly events: readonly SignedEvent[];
}

export type SyncRequest =
  | {
      readonly kind: "compare";
      readonly hash: ViewHash;
      readonly events: EventMark;
      readonly record: SignedRecord;
    }
  | {
      readonly kind: "exchange";
      readonly wantMembers: readonly Ix[];
      readonly wantKeys: readonly string[];
      readonly records: readonly SignedRecord[];
      readonly accusations: readonly Accusation[];
      readonly events: readonly SignedEvent[];
    };

export type SyncAnswer =
  | { readonly kind: "same" }
  /** `told`: null when the asker's mark is the same. */
  | { readonly kind: "digest"; readonly digest: Digest; readonly told: EventsTold | null }
  /** The same members, other events. */
  | { readonly kind: "events"; readonly told: EventsTold }
  /** Too many ask at once: a few members to ask instead. */
  | { readonly kind: "busy"; readonly records: readonly SignedRecord[] }
  | {
      readonly kind: "records";
      readonly records: readonly SignedRecord[];
      readonly accusations: readonly Accusation[];
    };

export type Input =
  | {
      readonly kind: "frame";
      readonly from: Ix;
      readonly frame: Frame;
      readonly lane: LaneName;
    }
  | { readonly kind: "syncAnswer"; readonly from: Ix; readonly answer: SyncAnswer }
  | { readonly kind: "syncFailed"; readonly from: Ix }
  | {
      readonly kind: "connection";
      readonly peer: Ix;
      readonly state: "open" | "closed" | "refused" | "timeout";
    }
  | { readonly kind: "describe"; readonly change: SelfChange }
  | { readonly kind: "tell"; readonly name: string; readonly payload: Uint8Array }
  | { readonly kind: "contact"; readonly peers: readonly Ix[] }
  | { readonly kind: "compare" }
  | { readonly kind: "leave" }
  | { readonly kind: "evict"; readonly member: Ix }
  | { readonly kind: "loopLag"; readonly worstMs: number }
  /** From now on this agent's host is so many times slower than one that keeps up. */
  | { readonly kind: "slowness"; readonly factor: number };

export type SelfChange = Partial<Pick<SelfRecord, "address" | "tags" | "datagrams">>;

export type CoreEventKind = "join" | "alive" | "suspect" | "failed" | "left" | "update" | "reap";

/** Another process with this agent's key. */
export interface Twin {
  readonly count: number;
  readonly isLater: boolean;
  readonly address: string;
}

/** Effects. The host carries them out at once and never calls the core back from inside. */
export interface Outbox {
  /** False when the frame was dropped at once. */
  frame(to: Ix, frame: Frame, via: Via): boolean;
  /** The host answers each request with `syncAnswer` or `syncFailed`. */
  sync(to: Ix, request: SyncRequest): void;
  want(neighbours: readonly Ix[]): void;
  event(kind: CoreEventKind, member: Ix): void;
  /** An own probe was answered. */
  rtt(member: Ix, milliseconds: number, lane: LaneName): void;
  /** Several probes in a row were answered on `lane` only, which is not the usual one of this member, or through others. */
  asymmetry(member: Ix, lane: AnswerLane): void;
  /** A member was asked by spare datagrams whether they pass; `answered`: they do, both ways. */
  datagrams(member: Ix, answered: boolean): void;
  userEvent(event: EventBody): void;
  /**
   * Another process, at `address`, speaks with this agent's key, `count` times so far. `isLater`: this one started after it,
   * so it is this one that should stop.
   */
  conflict(other: Twin): void;
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
  sealEvent(body: EventBody): SignedEvent;
  verifyEvent(event: SignedEvent): boolean;
}

/** Who may become a member: decided by the inventory, not by gossip. */
export interface JoinPolicy {
  /** `carrier`: the member that brought the record of the unknown `subject`. */
  mayJoin(subject: PeerId, carrier: PeerId): boolean;
}
