/** What gossip needs from outside, and what the agent sees of it. Gossip may only suggest; Raft decides. */
import { type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";
import { type CounterName } from "./core/counters.ts";

/** How a frame travels: on the long-lived libp2p stream, or as an encrypted datagram. */
export const laneNames = ["stream", "udp"] as const;
export type LaneName = (typeof laneNames)[number];
/** How a member answers: over a lane, or nothing passes between it and this agent, and others asked it. */
export const answerLanes = [...laneNames, "others"] as const;
export type AnswerLane = (typeof answerLanes)[number];
/**
 * `usual`: the lane both sides prefer; `other`: the second one where there is one; `both`: each of them; or a lane by
 * name.
 */
export type Via = "usual" | "other" | "both" | LaneName;
/** What a member does with datagrams: `fallback` ones are for where streams do not answer, `usual` ones for all frames. */
export const datagramUses = ["none", "fallback", "usual"] as const;
export type DatagramUse = (typeof datagramUses)[number];

export interface GossipTransport {
  /** Sends one frame (≤ 1350 bytes) to `to`; false when it was dropped at once. Default: `usual`. */
  sendFrame(to: PeerId, frame: Uint8Array, via?: Via): boolean;
  onFrame(receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void): void;
  /** Anti-entropy: one request, one answer, over an ordinary RPC with deadline. Rejects when the peer is away. */
  sync(to: PeerId, request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  onSync(answer: (from: PeerId, request: Uint8Array) => Uint8Array): void;
  /** A connection opened or closed. `closed`: by the other side or its kernel; `refused`: a dial was refused. */
  onConnection(
    notify: (peer: PeerId, state: "open" | "closed" | "refused" | "timeout") => void,
  ): void;
  /** Makes an address known for dialing, `host:port`. */
  setAddress(peer: PeerId, address: string): void;
  /**
   * How a member takes datagrams at its address, as its signed record says. Its boot id is part of their keys, so that
   * those of an earlier life open nothing.
   */
  setDatagrams(peer: PeerId, taken: { readonly use: DatagramUse; readonly bootId: string }): void;
  /** What went over each lane since the start. */
  lanes(): Readonly<Record<LaneName, LaneStats>>;
  /** The connections the overlay needs; others may be closed when idle. */
  want(peers: readonly PeerId[]): void;
}

/** Since the start. Bytes are those of frames, envelopes included. */
export interface LaneStats {
  /** False where this agent does not have the lane. */
  readonly active: boolean;
  readonly framesOut: number;
  readonly framesIn: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** Frames dropped by reason: `queueFull`, `unknownKey`, `replayed`, … Reasons that never happened are missing. */
  readonly dropped: Readonly<Record<string, number>>;
}

export type MemberStatus = "alive" | "suspect" | "failed" | "left";

export interface MemberView {
  readonly id: PeerId;
  readonly name: string;
  /** `host:port` as the member advertises it. */
  readonly address: string;
  readonly status: MemberStatus;
  readonly incarnation: number;
  readonly bootId: string;
  /** Smoothed round-trip time of this agent's own probes; null before the first answer. */
  readonly rttMs: number | null;
  /**
   * The lane of its last answer to a probe; `others` when the last ones came through other members only; null before
   * the first, and for this agent itself.
   */
  readonly lane: AnswerLane | null;
  /** It judges itself slow, and asks not to be used as a relay of probes. */
  readonly degraded: boolean;
  /** It takes datagrams. */
  readonly datagrams: boolean;
  /** Where they are spare: it answered the last ones, or did not; null where that was not tried. */
  readonly datagramsPass: boolean | null;
  /** Versions of the gossip protocol that it speaks. */
  readonly protocol: { readonly min: number; readonly max: number };
  readonly tags: Readonly<Record<string, string>>;
  /** Monotonic time at which this status began here. */
  readonly since: number;
}

export type MemberEvent =
  | {
      readonly kind: "join" | "alive" | "suspect" | "failed" | "left" | "update";
      readonly member: MemberView;
    }
  | { readonly kind: "reap"; readonly id: PeerId };

/** Something that an agent told all others. The origin signed it. */
export interface UserEvent {
  readonly name: string;
  readonly payload: Uint8Array;
  readonly origin: PeerId;
  /** Lamport time: an event that was told by one who knew of another has the higher one. */
  readonly ltime: number;
}

export interface GossipHealth {
  /** Lifeguard's local health: 0 is well, 7 means that this agent's judgement is worth nothing now. */
  readonly score: number;
  /** The score is so bad that this agent asks not to be a relay. */
  readonly degraded: boolean;
  /** Rumours waiting to be passed on. */
  readonly queue: number;
  /** Members that are alive or suspect, this agent included. */
  readonly members: number;
}

/** Counts since the start; `counterNames` (core/counters.ts) says what each one is. */
export interface GossipStats {
  readonly health: GossipHealth;
  readonly counters: Readonly<Record<CounterName, number>>;
  readonly lanes: Readonly<Record<LaneName, LaneStats>>;
  readonly clocks: { readonly incarnation: number; readonly event: number };
  readonly convergence: Convergence;
}

/** What the last anti-entropy exchanges said. Times in milliseconds. */
export interface Convergence {
  /** The last peer asked had the same view; null before the first sync. */
  readonly agrees: boolean | null;
  /** Since when views differ, or agree. */
  readonly forMs: number;
  /** How long the last disagreement that ended had lasted; null when there was none. */
  readonly lastTookMs: number | null;
  /**
   * Monotonic times at which this agent asked members that then had the same view, at most one for each of the last
   * few. Members that call themselves degraded do not count: their view may be old.
   */
  readonly agreedAt: readonly number[];
}

export interface GossipNode extends Service {
  /** Members this agent knows, itself included, sorted by name. */
  members(): readonly MemberView[];
  member(id: PeerId): MemberView | null;
  /** Compares views with two members that are well, now and not when it is due. */
  compareViews(): void;
  /** The members this agent probes and is probed by, as the overlay is now. */
  neighbours(): readonly PeerId[];
  onEvent(listener: (event: MemberEvent) => void): () => void;
  /**
   * Tells all members, at least once each while they are up; name and payload have at most 512 bytes together.
   * @throws AgentError GOSSIP_EVENT_INVALID, GOSSIP_EVENT_TOO_LARGE, GOSSIP_EVENT_REFUSED, GOSSIP_NOT_RUNNING
   */
  userEvent(name: string, payload: Uint8Array): void;
  /** Hears each event once, this agent's own included. */
  onUserEvent(listener: (event: UserEvent) => void): () => void;
  /** Peers to sync with first (from a join answer, the snapshot, or the inventory). Idempotent. */
  contact(peers: readonly { readonly id: PeerId; readonly address: string }[]): void;
  setTags(tags: Readonly<Record<string, string>>): void;
  setAddress(address: string): void;
  /** How this agent takes datagrams, which it says in its record. */
  setDatagrams(use: DatagramUse): void;
  /** Evicted members are neither kept nor answered. */
  evict(id: PeerId): void;
  /** Says good-bye and waits until it spread, at most `timeoutMs`. */
  leave(timeoutMs: number): Promise<void>;
  health(): GossipHealth;
  stats(): GossipStats;
}
