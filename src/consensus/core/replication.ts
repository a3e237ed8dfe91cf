/**
 * The leader's sending side: appends (probing or pipelined), heartbeats, snapshots for followers that fell behind
 * the log, and load requests for entries that are no longer in memory.
 */
import { assert, must } from "../../base/assert.ts";
import { entrySize } from "./log.ts";
import { type Progress } from "./progress.ts";
import { type LeaderRole } from "./roles.ts";
import { type CoreState } from "./state.ts";
import { type Entry, type LoadRequest, type NodeId } from "./types.ts";

const maxEntriesPerMessage = 4096;

export function fanOut(state: CoreState, leader: LeaderRole): void {
  assert(state.role === leader, "only the leader replicates");
  leader.fanOut = false;
  for (const [id, progress] of leader.peers) {
    if (id !== state.self) sendWhatFits(state, id, progress);
  }
}

/** Sends until the follower has everything or its window is full. */
export function sendWhatFits(state: CoreState, to: NodeId, progress: Progress): void {
  assert(to !== state.self, "the leader's own log needs no messages");
  let more = trySend(state, to, progress);
  while (more && progress.state === "replicate" && progress.next <= state.log.last) {
    more = trySend(state, to, progress);
  }
}

/** Sends one append if the follower may get one and lacks entries or the commit index. */
function trySend(state: CoreState, to: NodeId, progress: Progress): boolean {
  if (progress.isBlocked() || progress.isWindowFull()) return false;
  const { log } = state;
  const lacks = progress.next <= log.last;
  if (!lacks && progress.state !== "probe" && !progress.wantsCommit(state.commit)) return false;
  if (!lacks && progress.state === "probe" && progress.sentCommit >= state.commit) return false;
  return sendAppend(state, to, progress);
}

/** Sends the next append, be it empty (a probe, or news of the commit index). False when it could not. */
export function sendAppend(state: CoreState, to: NodeId, progress: Progress): boolean {
  if (progress.isBlocked()) return false;
  const { log, options } = state;
  assert(progress.next <= log.last + 1, "next is at most behind the log");
  const previousTerm = log.termAt(progress.next - 1);
  if (previousTerm === null) {
    startSnapshot(state, to, progress);
    return false;
  }
  const limit = { maxBytes: options.maxAppendBytes, maxCount: maxEntriesPerMessage };
  const entries = progress.isWindowFull() ? [] : log.entries(progress.next, limit);
  if (entries === null) {
    assert(progress.next < log.tailFirst, "memory is asked first");
    progress.loading = progress.next;
    const { term, outbox } = state;
    outbox.loads.push({ to, term, from: progress.next, maxBytes: options.maxAppendBytes });
    return false;
  }
  emitAppend(state, to, { progress, entries, previousTerm });
  return true;
}

interface Append {
  readonly progress: Progress;
  readonly entries: readonly Entry[];
  readonly previousTerm: number;
}

function emitAppend(state: CoreState, to: NodeId, append: Append): void {
  const { progress, entries, previousTerm } = append;
  const { self, term, commit, log, outbox } = state;
  const prevIndex = progress.next - 1;
  assert(entries.length === 0 || entries[0]?.index === prevIndex + 1, "an append has no gap");
  outbox.send({
    type: "Append",
    from: self,
    to,
    term,
    prevIndex,
    prevTerm: previousTerm,
    entries,
    commit,
    leaderLast: log.last,
  });
  const bytes = entries.reduce((sum, entry) => sum + entrySize(entry), 0);
  progress.sent(entries.length, bytes);
  progress.sentCommit = Math.max(progress.sentCommit, commit);
}

/** The driver read entries for a follower. `null`: they were compacted meanwhile. */
export function handleLoaded(
  state: CoreState,
  request: LoadRequest,
  entries: readonly Entry[] | null,
): void {
  if (state.role.name !== "leader" || state.term !== request.term) return;
  const progress = state.role.peers.get(request.to);
  if (progress?.loading !== request.from || progress.next !== request.from) return;
  progress.loading = null;
  if (progress.isBlocked() || progress.isWindowFull()) return;
  const previousTerm = state.log.termAt(request.from - 1);
  if (entries === null || entries.length === 0 || previousTerm === null) {
    startSnapshot(state, request.to, progress);
    return;
  }
  assert(
    entries.every((entry, i) => entry.index === request.from + i),
    "storage reads contiguous entries",
  );
  assert(
    entries.every((entry) => state.log.termAt(entry.index) === entry.term),
    "storage reads the log that the core knows",
  );
  emitAppend(state, request.to, { progress, entries, previousTerm });
  sendWhatFits(state, request.to, progress);
}

function startSnapshot(state: CoreState, to: NodeId, progress: Progress): void {
  // To a silent follower a snapshot would be wasted; its first answer starts another attempt.
  if (progress.ticksSinceAck >= state.options.electionTicks) return;
  const meta = must(state.snapshot, "a log that lost its beginning has a snapshot");
  if (meta.index <= progress.match) return;
  assert(meta.index >= state.log.first - 1, "the snapshot reaches the retained log");
  assert(to !== state.self, "the leader needs no snapshot");
  progress.becomeSnapshot(meta.index);
  const { self, term, outbox } = state;
  outbox.send({ type: "Snapshot", from: self, to, term, meta });
  outbox.snapshots.push({ to, meta });
}

/** Heartbeats carry the newest read round, so that one lost on the way is replaced by the next. */
export function sendHeartbeats(state: CoreState, leader: LeaderRole): void {
  assert(state.leader === state.self, "only the leader sends heartbeats");
  leader.ticksSinceHeartbeat = 0;
  const { self, term, log, outbox } = state;
  for (const [to, progress] of leader.peers) {
    if (to === self) continue;
    // Never beyond what the follower is known to hold: its log may still differ there.
    const commit = Math.min(progress.match, state.commit);
    assert(commit <= log.last, "only existing entries are committed");
    progress.sentCommit = Math.max(progress.sentCommit, commit);
    const { round } = leader.reads;
    outbox.send({ type: "Heartbeat", from: self, to, term, commit, leaderLast: log.last, round });
  }
}
