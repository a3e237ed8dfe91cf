/**
 * When the configuration may change. C1: the one before is committed; for a leader of two that goes on alone, the
 * voters of the one before (who stands by, or is lost, changes no quorum). C2: the leader has committed an entry of its
 * own term (without this rule changes of different terms can overlap into two disjoint quorums). C3: one voter per
 * step, or joint. C4: in force when appended. C5: only a follower that keeps pace is promoted. Beyond these, a change
 * whose new quorum is silent is refused: it could not commit.
 */
import { assert } from "../../base/assert.ts";
import { encodeConfiguration } from "./config-codec.ts";
import { planChange } from "./config-change.ts";
import { isJoint, incoming } from "./configuration.ts";
import { quorumIsActive, syncPeers } from "./peers.ts";
import { appendToLog, newEntry, refuse } from "./propose.ts";
import { type LeaderRole } from "./roles.ts";
import { committedOwnTerm, effectiveConfig, type CoreState } from "./state.ts";
import {
  EntryType,
  type ConfigChange,
  type Configuration,
  type NodeId,
  type ProposeResult,
} from "./types.ts";

export function proposeConfig(state: CoreState, change: ConfigChange): ProposeResult {
  const leader = state.role;
  if (leader.name !== "leader") {
    return refuse(state, "not-leader", `cannot ${change.op}: this node is a ${leader.name}`);
  }
  if (leader.transferee !== null) {
    return refuse(state, "transferring", `leadership goes to "${leader.transferee}"`);
  }
  const fault = ruleAgainst(state, leader, change);
  if (fault !== null) return refuse(state, "config-rule", fault);
  const plan = planChange(effectiveConfig(state), change);
  if (!plan.ok) return refuse(state, "config-rule", plan.detail);
  if (!quorumIsActive(state, leader, plan.next)) {
    return refuse(state, "quorum-lost", "no quorum of the new configuration was heard lately");
  }
  return appendConfiguration(state, leader, plan.next);
}

function ruleAgainst(state: CoreState, leader: LeaderRole, change: ConfigChange): string | null {
  const { index } = effectiveConfig(state);
  const goesOnAlone = change.op === "lose" && change.node === evictablePartner(state);
  if (index > state.commit && !goesOnAlone)
    return `C1: the configuration of entry ${index} is not committed yet`;
  if (!committedOwnTerm(state)) return `C2: no entry of term ${state.term} is committed yet`;
  const promoted = promotedBy(change);
  if (promoted !== null && leader.peers.get(promoted)?.caughtUp !== true) {
    return `C5: "${promoted}" has not caught up`;
  }
  return null;
}

function promotedBy(change: ConfigChange): NodeId | null {
  if (change.op === "promote") return change.node;
  return change.op === "swap" ? change.in : null;
}

function appendConfiguration(
  state: CoreState,
  leader: LeaderRole,
  next: Configuration,
): ProposeResult {
  const index = state.log.last + 1;
  assert(
    state.configs.votersAreCommitted(state.commit),
    "one uncommitted change of the voters at most (C1)",
  );
  assert(committedOwnTerm(state), "an entry of this term is committed (C2)");
  const data = encodeConfiguration(next);
  appendToLog(state, leader, [newEntry(state, { index, type: EntryType.config, data })]);
  state.configs.append({ ...next, index });
  assert(effectiveConfig(state).index === index, "it is in force at once (C4)");
  syncPeers(state, leader);
  leader.recount = true;
  return { ok: true, first: index, last: index, term: state.term };
}

/** A joint configuration that is to be left by itself is left as soon as it is committed. */
export function leaveJointWhenCommitted(state: CoreState, leader: LeaderRole): void {
  const effective = effectiveConfig(state);
  if (!isJoint(effective) || !effective.autoLeave || effective.index > state.commit) return;
  if (!committedOwnTerm(state)) return;
  const plan = planChange(effective, { op: "leaveJoint" });
  assert(plan.ok, "a joint configuration can be left");
  appendConfiguration(state, leader, plan.next);
}

/**
 * Two voters, the other silent for `evictTicks`: the leader goes on alone. Safe because the other cannot be elected
 * without this node's vote, and the new configuration commits by this node alone. A change of standbys that the partner
 * did not confirm before it fell silent stands in nobody's way: it is committed together with the eviction.
 */
export function evictSilentPartner(state: CoreState, leader: LeaderRole): void {
  const partner = evictablePartner(state);
  if (partner === null) return;
  assert(partner !== state.self, "a partner is somebody else");
  const silence = leader.peers.get(partner)?.ticksSinceAck ?? 0;
  if (silence < state.options.evictTicks || leader.transferee !== null) return;
  if (state.options.mayEvict?.(partner) === false) return;
  const result = proposeConfig(state, { op: "lose", node: partner });
  assert(result.ok, "evicting the silent partner is allowed");
}

/** The other voter, when this leader may stay in office without it (the exemption from check-quorum). */
export function evictablePartner(state: CoreState): NodeId | null {
  const effective = effectiveConfig(state);
  const voters = incoming(effective);
  if (state.options.evictTicks === 0 || isJoint(effective) || voters.length !== 2) return null;
  if (!voters.includes(state.self)) return null;
  if (!state.configs.votersAreCommitted(state.commit) || !committedOwnTerm(state)) return null;
  return voters.find((id) => id !== state.self) ?? null;
}
