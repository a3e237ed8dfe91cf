/**
 * Leadership transfer (dissertation §3.10): bring the successor up to date, then tell it to stand at once. Proposals
 * are refused meanwhile; after an election timeout the attempt is given up.
 */
import { assert } from "../../base/assert.ts";
import { isVoter } from "./configuration.ts";
import { isActive } from "./peers.ts";
import { sendWhatFits } from "./replication.ts";
import { type LeaderRole } from "./roles.ts";
import { effectiveConfig, type CoreState } from "./state.ts";
import { type NodeId } from "./types.ts";

/** `null` lets the core choose: the voter with the longest log among those heard lately. */
export function startTransfer(state: CoreState, leader: LeaderRole, to: NodeId | null): void {
  const successor = to ?? bestSuccessor(state, leader);
  if (successor === null || successor === state.self) return;
  const progress = leader.peers.get(successor);
  if (progress === undefined || !isVoter(effectiveConfig(state), successor)) return;
  if (leader.transferee === successor) return;
  assert(state.role === leader, "only the leader hands over");
  leader.transferee = successor;
  leader.transferTicks = 0;
  if (progress.match === state.log.last) sendTimeoutNow(state, successor);
  else sendWhatFits(state, successor, progress);
}

export function bestSuccessor(state: CoreState, leader: LeaderRole): NodeId | null {
  let best: NodeId | null = null;
  for (const [id, progress] of leader.peers) {
    if (id === state.self || !isVoter(effectiveConfig(state), id)) continue;
    if (!isActive(state, leader, id)) continue;
    if (best === null || progress.match > (leader.peers.get(best)?.match ?? 0)) best = id;
  }
  assert(best !== state.self, "a successor is somebody else");
  return best;
}

/** The successor acknowledged something: it may be ready now. */
export function continueTransfer(state: CoreState, leader: LeaderRole, from: NodeId): void {
  if (leader.transferee !== from) return;
  assert(from !== state.self, "a successor is somebody else");
  if (leader.peers.get(from)?.match === state.log.last) sendTimeoutNow(state, from);
}

export function tickTransfer(state: CoreState, leader: LeaderRole): void {
  if (leader.transferee === null) return;
  leader.transferTicks += 1;
  assert(leader.transferTicks <= state.options.electionTicks, "an attempt ends in time");
  const gone = !leader.peers.has(leader.transferee);
  if (gone || leader.transferTicks >= state.options.electionTicks) leader.transferee = null;
}

export function sendTimeoutNow(state: CoreState, to: NodeId): void {
  assert(state.leader === state.self, "only the leader hands over");
  state.outbox.send({ type: "TimeoutNow", from: state.self, to, term: state.term });
}
