/** How long ago the leader was heard; on the leader itself, how long ago it had its quorum. */
import { type NodeId, type Ready } from "../core/types.ts";

export class LeaderContact {
  readonly #self: NodeId;
  #soft: Ready["soft"] = null;
  #lastMs: number | null = null;

  constructor(self: NodeId) {
    this.#self = self;
  }

  get leader(): NodeId | null {
    return this.#soft?.leader ?? null;
  }

  get isLeader(): boolean {
    return this.#soft?.role === "leader";
  }

  get soft(): Ready["soft"] {
    return this.#soft;
  }

  heard(from: NodeId, nowMs: number): void {
    if (from === this.leader) this.#lastMs = nowMs;
  }

  /** Another member had word of it at `atMs`, by the clock here. */
  heardOf(atMs: number): void {
    this.#lastMs = Math.max(this.#lastMs ?? -Infinity, atMs);
  }

  changed(soft: NonNullable<Ready["soft"]>, nowMs: number, relayed: boolean): void {
    const hadQuorum = this.#soft?.role === "leader" && !this.#soft.quorumLost;
    this.#soft = soft;
    const found = soft.leader !== null && soft.leader !== this.#self && !relayed;
    if (found || hadQuorum) this.#lastMs = nowMs;
  }

  /** Null when no leader was ever known. */
  ageMs(nowMs: number): number | null {
    if (this.#soft?.role === "leader" && !this.#soft.quorumLost) return 0;
    return this.#lastMs === null ? null : nowMs - this.#lastMs;
  }
}

export function leaderNews(before: NodeId | null, now: NodeId | null): string {
  if (now !== null) return "has a leader";
  return before === null ? "knows no leader yet" : "lost the leader";
}
