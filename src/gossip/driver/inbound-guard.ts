/**
 * Limits what one peer may send: a token bucket per peer, where a frame costs one token and a malformed one
 * twenty. A peer that goes on far beyond its budget is not listened to for a while, where it is sure that it was that
 * peer. Pure: time is an argument.
 */
import { type PeerId } from "../../base/ids.ts";

export type Admittance = "pass" | "drop" | "cut";

interface Bucket {
  tokens: number;
  at: number;
  /** Frames dropped since the peer last kept within its budget. */
  excess: number;
  cutUntil: number;
}

const framesPerSecond = 200;
const burst = 400;
const badFrameCost = 20;
const excessMax = 2000;
const cutMs = 60_000;
const peersMax = 1024;

export class InboundGuard {
  readonly #cuts: boolean;
  readonly #buckets = new Map<PeerId, Bucket>();

  constructor(options: { readonly cuts: boolean }) {
    this.#cuts = options.cuts;
  }

  /** `cut` is said once, when the peer loses its voice; afterwards its frames are dropped silently. */
  frame(peer: PeerId, now: number): Admittance {
    const bucket = this.#bucket(peer, now);
    if (now < bucket.cutUntil) return "drop";
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return "pass";
    }
    bucket.excess += 1;
    if (!this.#cuts || bucket.excess <= excessMax) return "drop";
    bucket.cutUntil = now + cutMs;
    bucket.excess = 0;
    return "cut";
  }

  badFrame(peer: PeerId, now: number): void {
    this.#bucket(peer, now).tokens -= badFrameCost;
  }

  #bucket(peer: PeerId, now: number): Bucket {
    const known = this.#buckets.get(peer);
    if (known !== undefined) {
      known.tokens = Math.min(burst, known.tokens + ((now - known.at) / 1000) * framesPerSecond);
      known.at = now;
      if (known.tokens >= burst) known.excess = 0;
      return known;
    }
    if (this.#buckets.size >= peersMax) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const bucket = { tokens: burst, at: now, excess: 0, cutUntil: -Infinity };
    this.#buckets.set(peer, bucket);
    return bucket;
  }
}

/** Lets one event in `periodMs` through, and tells how many were held back since. */
export class RateLimit {
  readonly #periodMs: number;
  #nextAt = -Infinity;
  #held = 0;

  constructor(options: { readonly periodMs: number }) {
    this.#periodMs = options.periodMs;
  }

  /** Number of events this one stands for, or 0 when it is held back. */
  take(now: number): number {
    this.#held += 1;
    if (now < this.#nextAt) return 0;
    this.#nextAt = now + this.#periodMs;
    const count = this.#held;
    this.#held = 0;
    return count;
  }
}
