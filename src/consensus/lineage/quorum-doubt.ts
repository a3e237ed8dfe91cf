/**
 * A leader of two stays in office while it decides about its silent partner. Others hear its heartbeats meanwhile, and
 * would wait for it as it waits for them; that it asks who is left tells them that it has no quorum.
 */
import { type NodeId, type Term } from "../core/types.ts";
import { type LocalFacts } from "./coordinator-types.ts";
import { type LineageHello } from "./types.ts";

export class QuorumDoubt {
  #doubted: { readonly leader: NodeId; readonly term: Term; readonly askedAt: number } | null =
    null;

  /** Whoever asked before it was elected had no quorum then. */
  surveyed(by: NodeId, { leader, term }: Pick<LocalFacts, "leader" | "term">, now: number): void {
    if (leader === by) this.#doubted = { leader, term, askedAt: now };
  }

  /** A leader's own hello names it only while it has a quorum. */
  greeted({ from, leader }: Pick<LineageHello, "from" | "leader">): void {
    if (leader === from && from === this.#doubted?.leader) this.#doubted = null;
  }

  /** @param freshMs a leader that has its quorum again asks no more: for so long its last question counts. */
  tick(now: number, freshMs: number): void {
    if (this.#doubted !== null && now - this.#doubted.askedAt > freshMs) this.#doubted = null;
  }

  /** The facts without a leader that has no quorum itself. */
  of(facts: LocalFacts): LocalFacts {
    const { leader, term } = this.#doubted ?? { leader: null, term: 0 };
    const isDoubted = leader !== null && leader === facts.leader && term === facts.term;
    return isDoubted ? { ...facts, leader: null } : facts;
  }
}
