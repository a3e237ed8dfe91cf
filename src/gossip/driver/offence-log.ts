/**
 * One line in `periodMs` about what peers did wrong, however much it is. The line names all of them, not only the one
 * that happened to come when a line was due: an honest peer with one bad frame must not stand for one that floods.
 */
import { RateLimit } from "./inbound-guard.ts";

/** What a log line says of offences since the line before. */
export interface Offences {
  readonly peer: string;
  readonly count: number;
  /** Who else; the first eight. */
  readonly also?: readonly string[];
}

const namesMax = 9;

export class OffenceLog {
  readonly #limit: RateLimit;
  readonly #peers = new Set<string>();

  constructor(options: { readonly periodMs: number }) {
    this.#limit = new RateLimit(options);
  }

  /** What to say now, or null when that has to wait. */
  take(peer: string, now: number): Offences | null {
    if (this.#peers.size < namesMax) this.#peers.add(peer);
    const count = this.#limit.take(now);
    if (count === 0) return null;
    const also = [...this.#peers].filter((other) => other !== peer).slice(0, namesMax - 1);
    this.#peers.clear();
    return also.length === 0 ? { peer, count } : { peer, count, also };
  }
}
