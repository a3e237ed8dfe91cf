/** What gossip needs from outside, and what the agent sees of it. Gossip may only suggest; Raft decides. */
import { type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";

export interface GossipTransport {
  /** Sends one frame (≤ 1350 bytes) on the long-lived stream to `to`; false when it was dropped at once. */
  sendFrame(to: PeerId, frame: Uint8Array): boolean;
  onFrame(receive: (from: PeerId, frame: Uint8Array) => void): void;
  /** Anti-entropy: one request, one answer, over an ordinary RPC with deadline. Rejects when the peer is away. */
  sync(to: PeerId, request: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  onSync(answer: (from: PeerId, request: Uint8Array) => Uint8Array): void;
  /** A connection opened or closed. `closed`: by the other side or its kernel; `refused`: a dial was refused. */
  onConnection(
    notify: (peer: PeerId, state: "open" | "closed" | "refused" | "timeout") => void,
  ): void;
  /** Makes an address known for dialing, `host:port`. */
  setAddress(peer: PeerId, address: string): void;
  /** The connections the overlay needs; others may be closed when idle. */
  want(peers: readonly PeerId[]): void;
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
  readonly rttMs: number | null;
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

export interface GossipNode extends Service {
  /** Members this agent knows, itself included, sorted by name. */
  members(): readonly MemberView[];
  member(id: PeerId): MemberView | null;
  onEvent(listener: (event: MemberEvent) => void): () => void;
  /** Peers to sync with first (from a join answer, the snapshot, or the inventory). Idempotent. */
  contact(peers: readonly { readonly id: PeerId; readonly address: string }[]): void;
  setTags(tags: Readonly<Record<string, string>>): void;
  setAddress(address: string): void;
  /** Evicted members are neither kept nor answered. */
  evict(id: PeerId): void;
  /** Says good-bye and waits until it spread, at most `timeoutMs`. */
  leave(timeoutMs: number): Promise<void>;
  health(): { readonly score: number; readonly queue: number; readonly members: number };
}
