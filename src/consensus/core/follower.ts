/** The follower's side of replication: appends, heartbeats, snapshots (§5.3, §7). */
import { assert } from "../../base/assert.ts";
import { decodeConfiguration } from "./config-codec.ts";
import { advanceCommit, drop, type CoreState } from "./state.ts";
import { becomeFollower } from "./transitions.ts";
import {
  EntryType,
  type Configuration,
  type Entry,
  type Index,
  type Message,
  type SnapshotMeta,
} from "./types.ts";

type Of<T extends Message["type"]> = Extract<Message, { readonly type: T }>;

export function handleAppend(state: CoreState, message: Of<"Append">): void {
  const { log } = state;
  const { prevIndex, prevTerm, entries } = message;
  assert(state.role.name === "follower", "only a follower takes appends");
  assert(state.leader === message.from, "they come from its leader");
  state.leaderLast = message.leaderLast;
  if (prevIndex < state.commit) {
    // Everything up to the commit index agrees with the leader's log; the append is old or repeats itself.
    acknowledge(state, message, state.commit);
    return;
  }
  if (log.termAt(prevIndex) !== prevTerm) {
    refuse(state, message);
    return;
  }
  const fresh = firstDifference(state, entries);
  const news = fresh === null ? [] : entries.slice(fresh - prevIndex - 1);
  const configurations = decodeConfigurations(news);
  if (configurations === null) {
    drop(state, "malformed");
    return;
  }
  if (news.length > 0) replaceFrom(state, news, configurations);
  const agreed = prevIndex + entries.length;
  assert(agreed <= log.last, "what was sent is in the log");
  assert(entries.length === 0 || log.termAt(agreed) === entries.at(-1)?.term, "the logs agree");
  advanceCommit(state, Math.max(state.commit, Math.min(message.commit, agreed)));
  acknowledge(state, message, agreed);
}

/** The first index where the leader's entries are not what this log has, or null. */
function firstDifference(state: CoreState, entries: readonly Entry[]): Index | null {
  const entry = entries.find(({ index, term }) => state.log.termAt(index) !== term);
  assert(
    entry === undefined || entry.index > state.commit,
    "entries start behind the commit index, so no committed entry can differ",
  );
  return entry?.index ?? null;
}

export function decodeConfigurations(entries: readonly Entry[]): readonly Configuration[] | null {
  const result: Configuration[] = [];
  for (const { type, index, data } of entries) {
    if (type !== EntryType.config && type !== EntryType.forceConfig) continue;
    const configuration = decodeConfiguration(data, index);
    if (configuration === null) return null;
    result.push(configuration);
  }
  return result;
}

export function replaceFrom(
  state: CoreState,
  news: readonly Entry[],
  configurations: readonly Configuration[],
): void {
  const { log, configs, writes } = state;
  const first = news[0]?.index ?? log.last + 1;
  assert(first > state.commit, "committed entries are never replaced");
  if (first <= log.last) {
    log.truncateFrom(first);
    writes.truncateFrom(first);
    configs.truncateFrom(first);
  }
  assert(log.last === first - 1, "the new entries follow without a gap");
  log.append(news);
  for (const configuration of configurations) configs.append(configuration);
}

/** Tells the leader what is durable here. Leaves only after the write that makes it true. */
function acknowledge(state: CoreState, { from: to }: Message, index: Index): void {
  const { self, term, outbox } = state;
  assert(index <= state.log.last, "only what exists is acknowledged");
  outbox.sendWhenDurable({
    type: "AppendResp",
    from: self,
    to,
    term,
    ok: true,
    index,
    hintIndex: 0,
    hintTerm: 0,
  });
}

/** Tells the leader where the logs may still agree, so that it can skip whole terms (§5.3, end). */
function refuse(
  state: CoreState,
  { from: to, prevIndex, prevTerm }: Pick<Of<"Append">, "from" | "prevIndex" | "prevTerm">,
): void {
  const { self, term, log, outbox } = state;
  const hint = log.possibleMatch(Math.min(prevIndex, log.last), prevTerm);
  assert(hint.index <= log.last, "a hint is within this log");
  outbox.send({
    type: "AppendResp",
    from: self,
    to,
    term,
    ok: false,
    index: prevIndex,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

export function handleHeartbeat(state: CoreState, message: Of<"Heartbeat">): void {
  const { self, term, outbox } = state;
  if (message.commit > state.log.last) {
    // The leader counts on entries that this disk lost: it must learn where this log ends now.
    drop(state, "beyond-log");
    refuse(state, { from: message.from, prevIndex: message.commit, prevTerm: term });
    return;
  }
  assert(state.leader === message.from, "heartbeats come from the leader");
  state.leaderLast = message.leaderLast;
  advanceCommit(state, Math.max(state.commit, message.commit));
  const { from: to, round } = message;
  outbox.send({ type: "HeartbeatResp", from: self, to, term, round });
}

/** An offer. When this log has what the snapshot holds, the leader may go on with appends at once. */
export function handleSnapshotOffer(state: CoreState, message: Of<"Snapshot">): void {
  const { meta } = message;
  assert(state.role.name === "follower", "only a follower is offered snapshots");
  state.leaderLast = Math.max(state.leaderLast, meta.index);
  if (meta.index <= state.commit) {
    acknowledge(state, message, state.commit);
  } else if (state.log.termAt(meta.index) === meta.term) {
    advanceCommit(state, meta.index);
    acknowledge(state, message, state.commit);
  }
}

/** The snapshot arrived whole: the log restarts behind it, unless it was overtaken meanwhile. */
export function installSnapshot(state: CoreState, meta: SnapshotMeta): void {
  const { log, configs, writes, apply } = state;
  if (meta.index <= state.commit) return;
  // From a member that is not the leader it can be of a term that was not heard of here.
  if (meta.term > state.term) becomeFollower(state, meta.term, null);
  if (log.termAt(meta.index) === meta.term) {
    advanceCommit(state, meta.index);
  } else if (state.role.name === "leader") {
    // A leader holds everything that is committed, so this cannot come from the same history.
    drop(state, "unexpected");
    return;
  } else {
    writes.voidAll();
    log.restore(meta.index, meta.term);
    configs.restore(meta.config);
    apply.restore(meta.index);
    assert(log.last === meta.index && log.lastTerm === meta.term, "the log restarts there");
    advanceCommit(state, meta.index);
    state.snapshot = meta;
    state.installing = meta;
  }
  assert(state.commit >= meta.index, "a snapshot holds only what is committed");
  acknowledgeSnapshot(state);
}

function acknowledgeSnapshot(state: CoreState): void {
  const { leader, relayed, self, term, outbox, commit } = state;
  if (leader === null || leader === self || relayed) return;
  assert(commit <= state.log.last, "only what exists is acknowledged");
  const ack = { type: "AppendResp", from: self, to: leader, term, ok: true } as const;
  outbox.sendWhenDurable({ ...ack, index: commit, hintIndex: 0, hintTerm: 0 });
}
