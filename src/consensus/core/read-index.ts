/**
 * Linearizable reads without writing to the log (dissertation §6.4). A read joins the next heartbeat round; the
 * commit index of that moment is its answer once a quorum has acknowledged this round or a later one, which proves
 * that no newer leader existed when the read was asked. All reads of one turn share a round.
 */
import { assert } from "../../base/assert.ts";
import { quorumValue } from "./quorum.ts";
import { type LeaderReads, type LeaderRole, type WaitingRead } from "./roles.ts";
import { committedOwnTerm, effectiveConfig, leaderRole, type CoreState } from "./state.ts";
import { type Index } from "./types.ts";

/** Reads a node keeps waiting at most; more are refused, their callers try again. */
const maxWaiting = 100_000;

export function newLeaderReads(): LeaderReads {
  return { round: 0, queued: [], confirming: [] };
}

/** A read of this node's own client. */
export function readIndex(state: CoreState, context: number): void {
  assert(Number.isSafeInteger(context), "a read context is an integer");
  if (state.role.name === "leader") {
    enqueue(state, state.role, { from: state.self, context });
  } else if (state.leader === null || state.relayed || state.forwarded.size >= maxWaiting) {
    state.outbox.reads.push({ context, index: 0, ok: false });
  } else {
    assert(state.leader !== state.self, "a follower's leader is somebody else");
    state.forwarded.set(context, 0);
    const { self, leader, term } = state;
    state.outbox.send({ type: "ReadIndex", from: self, to: leader, term, context });
  }
}

/** A read that a follower forwarded. */
export function handleReadIndex(state: CoreState, read: WaitingRead): void {
  if (state.role.name === "leader") enqueue(state, state.role, read);
  else answer(state, read, null);
}

function enqueue(state: CoreState, leader: LeaderRole, read: WaitingRead): void {
  assert(state.role === leader, "reads wait at the leader");
  if (leader.reads.queued.length >= maxWaiting) answer(state, read, null);
  else leader.reads.queued.push(read);
}

export function hasReadsToStart(state: CoreState): boolean {
  const leader = leaderRole(state);
  return leader !== null && leader.reads.queued.length > 0 && committedOwnTerm(state);
}

/** Opens a round for all queued reads. The caller sends its heartbeats. */
export function startReadRound(state: CoreState, leader: LeaderRole): void {
  assert(committedOwnTerm(state), "a read waits until the leader knows its commit index");
  const { reads } = leader;
  reads.round += 1;
  reads.confirming.push({ round: reads.round, index: state.commit, reads: reads.queued });
  reads.queued = [];
  assert(
    reads.confirming.every(({ round }) => round <= reads.round),
    "rounds ascend",
  );
}

/** Answers every read whose round a quorum has acknowledged. */
export function confirmReads(state: CoreState, leader: LeaderRole): void {
  const { reads, peers } = leader;
  assert(state.role === leader, "only the leader confirms reads");
  if (reads.confirming.length === 0) return;
  const acknowledged = quorumValue(effectiveConfig(state).sets, (id) =>
    id === state.self ? reads.round : (peers.get(id)?.ackedRound ?? 0),
  );
  const done = reads.confirming.filter((batch) => batch.round <= acknowledged);
  reads.confirming = reads.confirming.filter((batch) => batch.round > acknowledged);
  for (const { index, reads: batch } of done) {
    assert(index <= state.commit, "a read never answers beyond the commit index");
    for (const read of batch) answer(state, read, index);
  }
}

function answer(state: CoreState, { from, context }: WaitingRead, index: Index | null): void {
  const ok = index !== null;
  if (from === state.self) {
    state.outbox.reads.push({ context, index: index ?? 0, ok });
    return;
  }
  const { self, term, outbox } = state;
  assert(from !== self, "an own read is answered here");
  const reply = { type: "ReadIndexResp", from: self, to: from, term, context } as const;
  outbox.send({ ...reply, index: index ?? 0, ok });
}

/** Leadership is over: nobody may wait for an answer that will not come. */
export function failLeaderReads(state: CoreState, leader: LeaderRole): void {
  const { queued, confirming } = leader.reads;
  for (const read of [...confirming.flatMap((batch) => batch.reads), ...queued]) {
    answer(state, read, null);
  }
  leader.reads.queued = [];
  leader.reads.confirming = [];
}

/** The leader answered a forwarded read. */
export function handleReadIndexResp(
  state: CoreState,
  response: { readonly context: number; readonly index: Index; readonly ok: boolean },
): void {
  const { context, index, ok } = response;
  assert(state.role.name !== "leader", "a leader forwards no reads");
  if (!state.forwarded.delete(context)) return;
  state.outbox.reads.push({ context, index, ok });
}

/** The leader they were sent to is gone. */
export function failForwardedReads(state: CoreState): void {
  for (const context of state.forwarded.keys()) {
    state.outbox.reads.push({ context, index: 0, ok: false });
  }
  state.forwarded.clear();
  assert(state.forwarded.size === 0, "nobody waits for a leader that is gone");
}

/** Forwarded reads whose answer was lost fail after an election timeout. */
export function tickForwardedReads(state: CoreState): void {
  for (const [context, age] of state.forwarded) {
    if (age + 1 < state.options.electionTicks) {
      state.forwarded.set(context, age + 1);
    } else {
      state.forwarded.delete(context);
      state.outbox.reads.push({ context, index: 0, ok: false });
    }
  }
}
