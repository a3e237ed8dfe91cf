/** What to do with a message, by its term and this node's role (§5.1: the newer term wins). */
import { assert } from "../../base/assert.ts";
import { campaign, handleVoteRequest, handleVoteResponse, refuseVote } from "./election.ts";
import { handleAppend, handleHeartbeat, handleSnapshotOffer } from "./follower.ts";
import { handleAppendResp, handleHeartbeatResp } from "./leader.ts";
import { handleReadIndex, handleReadIndexResp } from "./read-index.ts";
import { drop, type CoreState } from "./state.ts";
import { becomeFollower, setLeader } from "./transitions.ts";
import { type Message } from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { readonly type: T }>;
type FromLeader = Of<"Append" | "Heartbeat" | "Snapshot">;

export function dispatch(state: CoreState, message: Message): void {
  if (message.term < state.term) {
    answerStale(state, message);
    return;
  }
  if (message.term > state.term && !adoptTerm(state, message)) return;
  // A leader alone of its kind is in office again at once, in a term of its own.
  if (message.term < state.term) return;
  assert(message.term === state.term || isStrawPoll(message), "both are in the same term now");
  handle(state, message);
}

function isStrawPoll(message: Message): boolean {
  return message.type === "PreVote" || (message.type === "PreVoteResp" && message.granted);
}

/** A newer term. False when the message is to be ignored. */
function adoptTerm(state: CoreState, message: Message): boolean {
  assert(message.term > state.term, "the term is newer");
  const asksForVote = message.type === "Vote" || message.type === "PreVote";
  // Who was the leader and asks for votes leads no more: loyalty to it would only keep it out.
  const isLoyal = leaderIsAlive(state) && message.from !== state.leader;
  if (asksForVote && !message.transfer && isLoyal) return false;
  if (isStrawPoll(message)) return true;
  const { role } = state;
  // Not one that hands over: the newer term may be that of whom it told to stand.
  const isDeposed = role.name === "leader" && role.transferee === null && isAnswerToLeader(message);
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : null);
  // Nobody else stands, as far as it knows: a member came back from elsewhere with a newer term. Its voters need not
  // miss it for an election timeout; if there is another leader, the straw poll finds out.
  if (isDeposed) campaign(state, false);
  return true;
}

function isAnswerToLeader({ type }: Message): boolean {
  return type === "AppendResp" || type === "HeartbeatResp";
}

/**
 * Leader stickiness (dissertation §4.2.3): while a leader is heard, nobody else is voted for, so that a removed or
 * half-connected node cannot disturb. A leader in office counts as heard: without its quorum it steps down.
 */
function leaderIsAlive(state: CoreState): boolean {
  const { leader, relayed, electionElapsed, options } = state;
  return leader !== null && !relayed && electionElapsed < options.electionTicks;
}

function isFromLeader(message: Message): message is FromLeader {
  return message.type === "Append" || message.type === "Heartbeat" || message.type === "Snapshot";
}

/** Tells a deposed leader or a late candidate that time went on; anything else from the past is void. */
function answerStale(state: CoreState, message: Message): void {
  const { self, term, outbox } = state;
  const { from: to } = message;
  assert(message.term < term, "the message is old");
  if (to === self) return;
  if (isFromLeader(message)) {
    const answer = { type: "AppendResp", from: self, to, term, ok: false } as const;
    outbox.send({ ...answer, index: 0, hintIndex: 0, hintTerm: 0 });
  } else if (message.type === "PreVote") {
    refuseVote(state, message);
  } else if (message.type === "ReadIndex") {
    const { context } = message;
    outbox.send({ type: "ReadIndexResp", from: self, to, term, context, index: 0, ok: false });
  } else {
    drop(state, "stale-term");
  }
}

function handle(state: CoreState, message: Message): void {
  assert(message.to === state.self, "messages for others were dropped");
  switch (message.type) {
    case "PreVote":
    case "Vote":
      handleVoteRequest(state, message);
      return;
    case "PreVoteResp":
    case "VoteResp":
      handleVoteResponse(state, message);
      return;
    case "Append":
    case "Heartbeat":
    case "Snapshot":
      handleFromLeader(state, message);
      return;
    case "AppendResp":
      if (state.role.name === "leader") handleAppendResp(state, state.role, message);
      return;
    case "HeartbeatResp":
      if (state.role.name === "leader") handleHeartbeatResp(state, state.role, message);
      return;
    case "TimeoutNow":
      handleTimeoutNow(state, message);
      return;
    case "ReadIndex":
      handleReadIndex(state, message);
      return;
    case "ReadIndexResp":
      if (message.from === state.leader) handleReadIndexResp(state, message);
      else drop(state, "unexpected");
      return;
  }
}

function handleFromLeader(state: CoreState, message: FromLeader): void {
  assert(message.term === state.term, "a leader is followed in its own term");
  assert(message.from !== state.self, "nobody follows itself");
  // One leader per term: whoever else claims it lies or is broken. Hearsay may have named somebody else.
  if (state.leader !== null && !state.relayed && state.leader !== message.from) {
    drop(state, "second-leader");
    return;
  }
  if (state.role.name === "follower") {
    setLeader(state, message.from);
    state.electionElapsed = 0;
  } else {
    becomeFollower(state, message.term, message.from);
  }
  assert(state.leader === message.from, "the sender is the leader");
  if (message.type === "Append") handleAppend(state, message);
  else if (message.type === "Heartbeat") handleHeartbeat(state, message);
  else handleSnapshotOffer(state, message);
}

/** The leader hands over: stand at once, straw poll and loyalty aside. */
function handleTimeoutNow(state: CoreState, message: Of<"TimeoutNow">): void {
  if (state.role.name === "follower" && state.leader === message.from) campaign(state, true);
  else drop(state, "unexpected");
}
