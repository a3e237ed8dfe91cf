/** The leader's life: taking office, the answers of its followers, and what it does on each tick. */
import { assert } from "../../base/assert.ts";
import { confirmReads, newLeaderReads, startReadRound } from "./read-index.ts";
import { maybeCommit } from "./commit.ts";
import { quorumIsActive, syncPeers } from "./peers.ts";
import { type Progress } from "./progress.ts";
import { appendToLog, newEntry } from "./propose.ts";
import { evictablePartner, evictSilentPartner } from "./reconfigure.ts";
import { sendAppend, sendHeartbeats, sendWhatFits } from "./replication.ts";
import { type LeaderRole } from "./roles.ts";
import { drop, effectiveConfig, type CoreState } from "./state.ts";
import { continueTransfer, tickTransfer } from "./transfer.ts";
import { becomeFollower, setLeader } from "./transitions.ts";
import { EntryType, type Message, type NodeId } from "./types.ts";

/** §5.2: the winner announces itself; §8: with a noop, whose commit settles everything before it. */
export function becomeLeader(state: CoreState): void {
  assert(state.role.name === "candidate", "only a candidate becomes leader");
  assert(state.vote === state.self, "a leader voted for itself");
  const leader: LeaderRole = {
    name: "leader",
    peers: new Map(),
    reads: newLeaderReads(),
    ticksSinceHeartbeat: 0,
    uncommittedBytes: 0,
    quorumLost: false,
    transferee: null,
    transferTicks: 0,
    fanOut: true,
    recount: false,
  };
  state.role = leader;
  state.electionElapsed = 0;
  setLeader(state, state.self);
  syncPeers(state, leader);
  const index = state.log.last + 1;
  const noop = { index, type: EntryType.noop, data: new Uint8Array(0) };
  appendToLog(state, leader, [newEntry(state, noop)]);
  assert(state.log.lastTerm === state.term, "the newest entry is this leader's noop");
}

export function tickLeader(state: CoreState, leader: LeaderRole): void {
  assert(state.role === leader, "only the leader ticks as leader");
  for (const [id, progress] of leader.peers) if (id !== state.self) progress.tick();
  tickTransfer(state, leader);
  if (!keepOffice(state, leader)) return;
  evictSilentPartner(state, leader);
  leader.ticksSinceHeartbeat += 1;
  if (leader.ticksSinceHeartbeat >= state.options.heartbeatTicks) sendHeartbeats(state, leader);
}

/**
 * Check-quorum (dissertation §6.2): a leader that heard no quorum for an election timeout steps down, so that its
 * clients look for another. Exempt is the leader of two, who may evict the silent one (see reconfigure.ts).
 */
function keepOffice(state: CoreState, leader: LeaderRole): boolean {
  assert(state.leader === state.self, "a leader leads");
  leader.quorumLost = !quorumIsActive(state, leader, effectiveConfig(state));
  if (!leader.quorumLost || evictablePartner(state) !== null) return true;
  becomeFollower(state, state.term, null);
  return false;
}

type Response<T extends Message["type"]> = Extract<Message, { readonly type: T }>;

export function handleAppendResp(
  state: CoreState,
  leader: LeaderRole,
  message: Response<"AppendResp">,
): void {
  assert(message.term === state.term, "an answer of this term");
  const progress = heardFrom(state, leader, message.from);
  if (progress === null) return;
  if (message.index > state.log.last) drop(state, "beyond-log");
  else if (message.ok) acknowledge(state, leader, { progress, message });
  else if (message.from === state.self)
    drop(state, "unexpected"); // one's own disk refuses nothing
  else refused(state, { progress, message });
}

interface Answer {
  readonly progress: Progress;
  readonly message: Response<"AppendResp">;
}

function acknowledge(state: CoreState, leader: LeaderRole, { progress, message }: Answer): void {
  const { from, index } = message;
  assert(index <= state.log.last, "nobody has more than the leader");
  const news = progress.advance(index);
  const settled = progress.state === "probe" && progress.match === index;
  if (!news && !settled) return;
  adoptState(state, progress, index);
  progress.updateCaughtUp(state.log.last, state.options.electionTicks);
  maybeCommit(state, leader);
  if (state.role !== leader || from === state.self) return;
  sendWhatFits(state, from, progress);
  continueTransfer(state, leader, from);
}

/** An acknowledged append ends probing, and a snapshot that the log has overtaken. */
function adoptState(state: CoreState, progress: Progress, index: number): void {
  assert(progress.match >= index, "an acknowledgement was recorded");
  if (progress.state === "replicate") {
    progress.inflights.freeTo(index);
  } else if (progress.state === "probe" || progress.match + 1 >= state.log.first) {
    progress.becomeReplicate();
  }
}

function refused(state: CoreState, { progress, message }: Answer): void {
  const { from, index, hintIndex, hintTerm } = message;
  // Skip all of the leader's entries with a term the follower cannot have at its hint (§5.3, end).
  // Before the first entry here nothing is known of terms: there the hint itself is all there is.
  const possible = hintTerm > 0 ? state.log.possibleMatch(hintIndex, hintTerm).index : hintIndex;
  const hint = Math.min(possible, hintIndex);
  if (progress.isDoubtful(index, hint)) {
    progress.becomeProbe();
    sendAppend(state, from, progress);
    return;
  }
  if (!progress.regress(index, hint) && !progress.backtrack(index, hint)) return;
  assert(progress.next <= index + 1, "a refusal never moves next forward");
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(state, from, progress);
}

export function handleHeartbeatResp(
  state: CoreState,
  leader: LeaderRole,
  message: Response<"HeartbeatResp">,
): void {
  const progress = heardFrom(state, leader, message.from);
  if (progress === null) return;
  if (message.round > leader.reads.round) {
    drop(state, "unexpected");
    return;
  }
  assert(message.from !== state.self, "a leader sends itself no heartbeats");
  progress.ackedRound = Math.max(progress.ackedRound, message.round);
  progress.updateCaughtUp(state.log.last, state.options.electionTicks);
  // What was sent before may be lost: try again. Into a full window goes an empty append, whose refusal tells.
  progress.paused = false;
  if (progress.match < state.log.last || progress.state === "probe") {
    sendAppend(state, message.from, progress);
  }
  confirmReads(state, leader);
}

function heardFrom(state: CoreState, leader: LeaderRole, from: NodeId): Progress | null {
  const progress = leader.peers.get(from);
  if (progress === undefined) {
    drop(state, "unknown-sender");
    return null;
  }
  assert(progress.match < progress.next, "match stays below next");
  progress.ticksSinceAck = 0;
  leader.quorumLost &&= !quorumIsActive(state, leader, effectiveConfig(state));
  return progress;
}

/** All reads asked since the last round share one round of heartbeats. */
export function startReads(state: CoreState, leader: LeaderRole): void {
  assert(leader.reads.queued.length > 0, "a round confirms at least one read");
  startReadRound(state, leader);
  sendHeartbeats(state, leader);
  confirmReads(state, leader);
}

/** The connection to a follower is gone or full: what was sent into it may be lost. */
export function peerUnreachable(state: CoreState, leader: LeaderRole, id: NodeId): void {
  const progress = leader.peers.get(id);
  assert(id !== state.self, "a node reaches itself");
  if (progress?.state === "replicate") progress.becomeProbe();
}

/** The stream of a snapshot ended. Appends resume after the follower's next answer. */
export function snapshotEnded(
  leader: LeaderRole,
  { id, ok }: { readonly id: NodeId; readonly ok: boolean },
): void {
  const progress = leader.peers.get(id);
  if (progress?.state !== "snapshot") return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  assert(progress.next > progress.match, "match stays below next");
  progress.paused = true;
}
