/**
 * A leader of two stays in office while it decides about its silent partner. Others hear its heartbeats meanwhile, and
 * would wait for it as it waits for them; that it asks who is left tells them that it has no quorum.
 */
import { type NodeId } from "../core/types.ts";
import { type LocalFacts } from "./coordinator-types.ts";

export class LeaderDoubt {
  #asking: NodeId | null = null;
  #askedAt = -Infinity;

  surveyed(by: NodeId, now: number): void {
    this.#asking = by;
    this.#askedAt = now;
  }

  /** @param freshMs a leader that has its quorum again asks no more: for so long its last question counts. */
  tick(now: number, freshMs: number): void {
    if (now - this.#askedAt > freshMs) this.#asking = null;
  }

  /** The facts without a leader that has no quorum itself. */
  of(facts: LocalFacts): LocalFacts {
    const { leader } = facts;
    return leader !== null && leader === this.#asking ? { ...facts, leader: null } : facts;
  }
}
