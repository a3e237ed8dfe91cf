/**
 * Elections: a straw poll first (pre-vote, dissertation §9.6), so that a node that cannot win does not disturb; then
 * the vote (§5.2, §5.4.1). Requests leave only after this node's own vote is durable.
 */
import { assert } from "../../base/assert.ts";
import { voteOutcome } from "./quorum.ts";
import { becomeLeader } from "./leader.ts";
import { type CandidateRole } from "./roles.ts";
import {
  drop,
  effectiveConfig,
  isPromotable,
  resetElectionTimer,
  type CoreState,
} from "./state.ts";
import { voterIds } from "./configuration.ts";
import { becomeFollower, enterTerm, setLeader } from "./transitions.ts";
import { type LogPosition, type Message } from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { readonly type: T }>;
type VoteRequest = Of<"PreVote" | "Vote">;

/** Stands for election; `force` skips the straw poll and the voters' loyalty to a living leader. */
export function campaign(state: CoreState, force: boolean): void {
  if (state.role.name === "leader" || !isPromotable(state) || !mayStand(state)) return;
  assert(state.leader !== state.self, "only a leader leads");
  if (force) standForVote(state, true);
  else standForPreVote(state);
}

function mayStand(state: CoreState): boolean {
  return mayVote(state) && reaches(state, state.options.standFrom);
}

function mayVote(state: CoreState): boolean {
  return reaches(state, state.options.voteFrom);
}

function reaches({ log }: CoreState, position: LogPosition | undefined): boolean {
  return position === undefined || !log.isBefore(position.index, position.term);
}

function standForPreVote(state: CoreState): void {
  assert(state.role.name !== "leader", "a leader does not stand against itself");
  setLeader(state, null);
  state.role = { name: "precandidate", votes: new Map([[state.self, true]]) };
  resetElectionTimer(state);
  if (decide(state, state.role)) return;
  for (const to of voterIds(effectiveConfig(state))) {
    if (to === state.self) continue;
    state.outbox.send({ type: "PreVote", to, transfer: false, ...ballot(state, state.term + 1) });
  }
}

function standForVote(state: CoreState, transfer: boolean): void {
  assert(state.role.name !== "leader", "a leader does not stand against itself");
  setLeader(state, null);
  enterTerm(state, state.term + 1);
  assert(state.vote === null, "the first vote of a term is one's own");
  state.vote = state.self;
  state.role = { name: "candidate", votes: new Map() };
  resetElectionTimer(state);
  assert(state.term > state.log.lastTerm, "a new term is newer than the log");
  for (const to of voterIds(effectiveConfig(state))) {
    if (to === state.self) continue;
    state.outbox.sendWhenDurable({ type: "Vote", to, transfer, ...ballot(state, state.term) });
  }
  sendVote(state, { type: "Vote", from: state.self, term: state.term });
}

function ballot(state: CoreState, term: number) {
  const { self, log } = state;
  return { from: self, term, lastIndex: log.last, lastTerm: log.lastTerm };
}

/** The answer to a vote request, in any role. */
export function handleVoteRequest(state: CoreState, request: VoteRequest): void {
  const { log } = state;
  const free = state.vote === request.from || (state.vote === null && state.leader === null);
  const open = free || (request.type === "PreVote" && request.term > state.term);
  if (!open || !mayVote(state) || !log.isUpToDate(request.lastIndex, request.lastTerm)) {
    refuseVote(state, request);
    return;
  }
  if (request.type === "Vote") {
    assert(request.term === state.term, "a vote is given in the term it was asked for");
    if (state.role.name === "precandidate") becomeFollower(state, state.term, null);
    assert(state.role.name === "follower", "only a follower votes for another");
    assert(state.vote === null || state.vote === request.from, "one vote per term (§5.2)");
    state.vote = request.from;
    resetElectionTimer(state);
  }
  sendVote(state, request);
}

function sendVote(
  state: CoreState,
  {
    type,
    from: to,
    term,
  }: { readonly type: VoteRequest["type"]; readonly from: string; readonly term: number },
): void {
  const answer = { from: state.self, to, term, granted: true, requestTerm: term };
  assert(type === "PreVote" || state.vote === to, "a granted vote was recorded");
  // A straw poll promises nothing, so it need not wait for the disk.
  if (type === "PreVote") state.outbox.send({ type: "PreVoteResp", ...answer });
  else state.outbox.sendWhenDurable({ type: "VoteResp", ...answer });
}

export function refuseVote(
  state: CoreState,
  { type, from: to, term: requestTerm }: VoteRequest,
): void {
  const { self, term, outbox } = state;
  const answer = { from: self, to, term, granted: false, requestTerm };
  assert(to !== self, "nobody refuses itself");
  outbox.send(
    type === "PreVote" ? { type: "PreVoteResp", ...answer } : { type: "VoteResp", ...answer },
  );
}

export function handleVoteResponse(
  state: CoreState,
  response: Of<"PreVoteResp" | "VoteResp">,
): void {
  const { role } = state;
  const wanted = response.type === "PreVoteResp" ? "precandidate" : "candidate";
  if (role.name !== wanted) return;
  const asked = role.name === "precandidate" ? state.term + 1 : state.term;
  if (response.requestTerm !== asked) {
    drop(state, "stale-term");
    return;
  }
  // The first answer counts; a repeated one cannot change it.
  if (!role.votes.has(response.from)) role.votes.set(response.from, response.granted);
  decide(state, role);
}

/** Counts the votes of voters. True when the poll is over. */
function decide(state: CoreState, role: CandidateRole): boolean {
  const outcome = voteOutcome(effectiveConfig(state).sets, (id) => role.votes.get(id));
  if (outcome === "pending") return false;
  assert(state.role === role, "the poll is this node's own");
  if (outcome === "lost") becomeFollower(state, state.term, null);
  else if (role.name === "precandidate") standForVote(state, false);
  else becomeLeader(state);
  return true;
}
