/**
 * Builds the next `Ready`: everything the driver has to do, in the order persist, send, apply, answer. Work that is
 * cheaper in batches (appends to followers, read rounds) happens here, once per turn.
 */
import { assert } from "../../base/assert.ts";
import { recount } from "./commit.ts";
import { hasReadsToStart } from "./read-index.ts";
import { startReads } from "./leader.ts";
import { Outbox } from "./outbox.ts";
import { fanOut } from "./replication.ts";
import { committedConfig, effectiveConfig, leaderRole, type CoreState } from "./state.ts";
import { type ApplyLimit } from "./apply-queue.ts";
import { type AppendOp, type HardState, type Ready } from "./types.ts";

/** What the last Ready reported, to report only changes. */
export interface Reported {
  soft: NonNullable<Ready["soft"]> | null;
  config: NonNullable<Ready["config"]> | null;
}

export function hasReady(state: CoreState, reported: Reported): boolean {
  return (
    !state.outbox.isEmpty() ||
    state.log.hasUnhanded() ||
    state.installing !== null ||
    hardStateChanged(state) ||
    state.apply.hasWork(applyLimit(state)) ||
    leaderRole(state)?.fanOut === true ||
    hasReadsToStart(state) ||
    softChange(state, reported) !== null ||
    configChange(state, reported) !== null
  );
}

export function takeReady(state: CoreState, reported: Reported): Ready {
  const leader = leaderRole(state);
  if (leader?.recount === true) recount(state, leader);
  if (leader !== null && hasReadsToStart(state)) startReads(state, leader);
  if (leader?.fanOut === true) fanOut(state, leader);
  const append = takeAppend(state);
  const committed = takeCommitted(state);
  const { messages, loads, reads, snapshots } = state.outbox;
  state.outbox = new Outbox();
  const soft = softChange(state, reported);
  const config = configChange(state, reported);
  if (soft !== null) reported.soft = soft;
  if (config !== null) reported.config = config;
  assert(softChange(state, reported) === null, "changes are reported once");
  return { append, messages, committed, loads, reads, snapshots, soft, config };
}

function takeAppend(state: CoreState): AppendOp | null {
  const { log, outbox, writes } = state;
  const hardState = hardStateChanged(state) ? hardStateOf(state) : null;
  const snapshot = state.installing;
  const { truncateFrom, entries } = log.takeUnhanded();
  assert(snapshot === null || truncateFrom === null, "a snapshot replaces the log whole");
  if (entries.length > 0) acknowledgeOwn(state);
  const vital = entries.length > 0 || truncateFrom !== null || snapshot !== null;
  const mustSync = vital || promiseChanged(state);
  if (hardState === null && !vital && canLeaveNow(state)) {
    outbox.messages.push(...outbox.after);
    return null;
  }
  state.installing = null;
  state.handedState = hardState ?? state.handedState;
  const { after } = outbox;
  const seq = writes.add(log.last);
  assert(log.handed === log.last, "storage has or gets everything");
  assert(mustSync || entries.length === 0, "entries are synced");
  return { seq, truncateFrom, entries, hardState, snapshot, mustSync, after };
}

/** The leader's own disk counts like any other: when this write is durable, and not before. */
function acknowledgeOwn(state: CoreState): void {
  if (state.role.name !== "leader") return;
  const { self, term, log, outbox } = state;
  assert(log.lastTerm === term, "a leader's newest entry is its own");
  const ack = { type: "AppendResp", from: self, to: self, term, ok: true } as const;
  outbox.sendWhenDurable({ ...ack, index: log.last, hintIndex: 0, hintTerm: 0 });
}

/** Nothing is being written, so whatever these messages promise is durable already. */
function canLeaveNow({ outbox, writes, self }: CoreState): boolean {
  if (outbox.after.length === 0) return true;
  return writes.count === 0 && outbox.after.every((message) => message.to !== self);
}

function takeCommitted(state: CoreState): Ready["committed"] {
  const limit = applyLimit(state);
  const entries = state.apply.take(state.log, limit);
  if (entries.length > 0) return entries;
  const request = state.apply.requestLoad(state.self, state.term, limit);
  assert(request === null || request.from < state.log.tailFirst, "memory is asked first");
  if (request !== null) state.outbox.loads.push(request);
  return [];
}

/** Applied is only what is durable here too: a restart must find it in the log. */
export function applyLimit({ commit, log, options }: CoreState): ApplyLimit {
  return { upTo: Math.min(commit, log.stable), maxBytes: options.maxApplyBytes };
}

function hardStateOf({ term, vote, commit }: CoreState): HardState {
  assert(commit >= 0 && term >= 0, "hard state holds natural numbers");
  return { term, vote, commit };
}

function hardStateChanged(state: CoreState): boolean {
  return promiseChanged(state) || state.commit !== state.handedState.commit;
}

function promiseChanged({ term, vote, handedState }: CoreState): boolean {
  assert(term >= handedState.term, "terms never fall");
  return term !== handedState.term || vote !== handedState.vote;
}

/** Leader: no quorum was heard within an election timeout. Elsewhere: no leader is known. */
export function quorumLost(state: CoreState): boolean {
  return state.role.name === "leader" ? state.role.quorumLost : state.leader === null;
}

function softChange(state: CoreState, { soft }: Reported): Ready["soft"] {
  const { leader, term } = state;
  const now = { role: state.role.name, leader, term, quorumLost: quorumLost(state) };
  assert((now.role === "leader") === (leader === state.self), "the leader knows itself as leader");
  const same =
    soft?.role === now.role &&
    soft.leader === leader &&
    soft.term === term &&
    soft.quorumLost === now.quorumLost;
  return same ? null : now;
}

function configChange(state: CoreState, { config }: Reported): Ready["config"] {
  const effective = effectiveConfig(state);
  const committed = committedConfig(state);
  assert(committed.index <= effective.index, "the committed configuration is not newer");
  const same = config?.effective === effective && config.committed === committed;
  return same ? null : { effective, committed };
}
