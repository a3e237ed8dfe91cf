/** Changes of term, leader and role to follower: one function per transition, which sets everything it concerns. */
import { assert } from "../../base/assert.ts";
import { failForwardedReads, failLeaderReads } from "./read-index.ts";
import { resetElectionTimer, type CoreState } from "./state.ts";
import { type NodeId, type Term } from "./types.ts";

/** Follows `leader` (null: unknown) in `term`. Whatever the old role had under way ends here. */
export function becomeFollower(state: CoreState, term: Term, leader: NodeId | null): void {
  assert(term >= state.term, "terms never fall");
  assert(leader !== state.self, "nobody follows itself");
  if (state.role.name === "leader") failLeaderReads(state, state.role);
  enterTerm(state, term);
  state.role = { name: "follower" };
  setLeader(state, leader);
  assert(state.leader === leader && state.term === term, "it follows whom it was told to");
  resetElectionTimer(state);
}

/** A new term begins without a vote. */
export function enterTerm(state: CoreState, term: Term): void {
  assert(term >= state.term, "terms never fall");
  if (term === state.term) return;
  state.term = term;
  state.vote = null;
}

export function setLeader(state: CoreState, leader: NodeId | null, relayed = false): void {
  state.relayed = relayed;
  if (state.leader === leader) return;
  if (state.role.name !== "leader") assert(leader !== state.self, "only a leader leads");
  failForwardedReads(state);
  assert(state.forwarded.size === 0, "no read waits for the leader before");
  state.leader = leader;
}
