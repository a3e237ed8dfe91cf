/**
 * Advancing the commit index on the leader, and all that follows from it: reads may start, a joint configuration is
 * left, a leader that is no member any more hands over and steps down.
 */
import { assert } from "../../base/assert.ts";
import { isVoter } from "./configuration.ts";
import { quorumIsActive } from "./peers.ts";
import { quorumValue } from "./quorum.ts";
import { confirmReads } from "./read-index.ts";
import { leaveJointWhenCommitted } from "./reconfigure.ts";
import { fanOut } from "./replication.ts";
import { type LeaderRole } from "./roles.ts";
import { advanceCommit, committedOwnTerm, effectiveConfig, type CoreState } from "./state.ts";
import { bestSuccessor, sendTimeoutNow } from "./transfer.ts";
import { becomeFollower } from "./transitions.ts";
import { EntryType, type Index } from "./types.ts";

/** §5.3, §5.4.2: commits what a quorum holds durably, but only up to an entry of the current term. */
export function maybeCommit(state: CoreState, leader: LeaderRole): boolean {
  assert(state.role === leader, "only the leader counts");
  const { sets } = effectiveConfig(state);
  assert(sets.length > 0, "a leader's configuration has voters");
  const held = quorumValue(sets, (id) => leader.peers.get(id)?.match ?? 0);
  const index = Math.min(held, state.log.last);
  if (index <= state.commit || state.log.termAt(index) !== state.term) return false;
  release(state, leader, index);
  advanceCommit(state, index);
  assert(committedOwnTerm(state), "an entry of this term is committed now");
  leader.fanOut = true;
  leaveJointWhenCommitted(state, leader);
  retireWhenRemoved(state, leader);
  return true;
}

/** A new configuration has other quorums; entries from before may be committed by them. */
export function recount(state: CoreState, leader: LeaderRole): void {
  leader.recount = false;
  // Before what it commits is answered: a leader alone must not say of such a write that it has no quorum.
  leader.quorumLost &&= !quorumIsActive(state, leader, effectiveConfig(state));
  maybeCommit(state, leader);
  confirmReads(state, leader);
  assert(!leader.recount, "counting anew changes no configuration");
}

/** Committed bytes no longer count against the limit. Older entries than this term's were never counted. */
function release(state: CoreState, leader: LeaderRole, index: Index): void {
  assert(index > state.commit, "something new is committed");
  leader.uncommittedBytes = Math.max(0, leader.uncommittedBytes - bytesBetween(state, index));
  if (index === state.log.last) leader.uncommittedBytes = 0;
  assert(leader.uncommittedBytes >= 0, "uncommitted bytes are not negative");
}

function bytesBetween(state: CoreState, index: Index): number {
  const from = Math.max(state.commit + 1, state.log.tailFirst);
  assert(index <= state.log.last, "only existing entries are counted");
  if (from > index) return 0;
  const limit = { maxBytes: Number.MAX_SAFE_INTEGER, maxCount: index - from + 1 };
  let bytes = 0;
  for (const entry of state.log.entries(from, limit) ?? []) {
    if (entry.type === EntryType.command || entry.type === EntryType.barrier) {
      bytes += entry.data.length;
    }
  }
  return bytes;
}

/** Dissertation §4.2.2: the leader manages the cluster without counting itself until its removal is committed. */
function retireWhenRemoved(state: CoreState, leader: LeaderRole): void {
  const effective = effectiveConfig(state);
  if (effective.index > state.commit || isVoter(effective, state.self)) return;
  assert(effective.index <= state.commit, "the removal is committed");
  fanOut(state, leader);
  const successor = bestSuccessor(state, leader);
  if (successor !== null) sendTimeoutNow(state, successor);
  becomeFollower(state, state.term, null);
  assert(state.role.name === "follower", "a removed leader has stepped down");
}
