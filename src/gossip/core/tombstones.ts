/**
 * What is still known of members that are gone: the incarnation that ended. Rumours and syncs may bring an older
 * record of one that was reaped, or whose good-bye came before its record did (serf keeps such intents for five
 * minutes); it must not rise from it. A return has a higher incarnation, and passes.
 */
import { type Ix } from "./types.ts";

interface Tombstone {
  readonly incarnation: number;
  readonly until: number;
}

const tombstonesMax = 4096;

export class Tombstones {
  readonly #stones = new Map<Ix, Tombstone>();

  /** Remembers until `until`; the oldest are given up when there are too many. */
  set(ix: Ix, incarnation: number, until: number): void {
    const before = this.#stones.get(ix);
    this.#stones.delete(ix);
    this.#stones.set(ix, { incarnation: Math.max(incarnation, before?.incarnation ?? 0), until });
    const [oldest] = this.#stones.keys();
    if (this.#stones.size > tombstonesMax && oldest !== undefined) this.#stones.delete(oldest);
  }

  /** True when a record of this incarnation comes from before the end. */
  covers(ix: Ix, incarnation: number, now: number): boolean {
    const stone = this.#stones.get(ix);
    if (stone === undefined) return false;
    if (now < stone.until && incarnation <= stone.incarnation) return true;
    this.#stones.delete(ix);
    return false;
  }
}
