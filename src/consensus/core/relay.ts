/**
 * Committed entries that come from elsewhere than the leader's stream: another member that applied them. Whoever is
 * not streamed to lives on these. They are taken only behind what is committed here, so that log matching needs no
 * further proof: up to the commit index all logs of a generation are equal.
 *
 * A voter takes them too, but only while it hears no leader. It may be one that was demoted while it was away, to
 * whom nobody streams any more and who can learn of that from these entries alone. What they replace was never
 * committed (a committed entry is the only one at its index, and in the log of every later leader), so no
 * acknowledgement is broken; and a vote that looks at a longer committed log can only refuse more.
 */
import { assert } from "../../base/assert.ts";
import { isNodeId } from "./config-codec.ts";
import { decodeConfigurations, replaceFrom } from "./follower.ts";
import { isRun } from "./inbound.ts";
import { advanceCommit, drop, isPromotable, type CoreState } from "./state.ts";
import { becomeFollower, setLeader } from "./transitions.ts";
import { type Entry, type Relayed } from "./types.ts";

/** True when everything of `batch` is in the log now. */
export function takeRelayed(state: CoreState, batch: Relayed): boolean {
  const { prevIndex, entries } = batch;
  if (isStreamedTo(state)) {
    drop(state, "unexpected");
    return false;
  }
  if (!isRun(prevIndex, entries)) {
    drop(state, "malformed");
    return false;
  }
  if (prevIndex > state.commit || contradictsCommitted(state, entries)) {
    drop(state, "not-of-this-log");
    return false;
  }
  const news = entries.filter(({ index }) => index > state.commit);
  if (news.length > 0 && !take(state, news)) return false;
  follow(state, batch);
  return true;
}

/** The leader itself, and whoever heard it within an election timeout: nobody knows better than its stream. */
function isStreamedTo({ role, leader, relayed, electionElapsed, options }: CoreState): boolean {
  if (role.name === "leader") return true;
  return leader !== null && !relayed && electionElapsed < options.electionTicks;
}

/** Committed here is committed everywhere: who says otherwise is wrong about everything. */
function contradictsCommitted({ log, commit }: CoreState, entries: readonly Entry[]): boolean {
  const known = entries.filter(({ index }) => index <= commit && index >= log.first);
  if (known.some(({ index, term }) => log.termAt(index) !== term)) return true;
  const next = entries.find(({ index }) => index > commit);
  return next !== undefined && next.term < (log.termAt(commit) ?? 0);
}

/** Entries from just behind the commit index on, all of them committed. */
function take(state: CoreState, committed: readonly Entry[]): boolean {
  const { log } = state;
  const last = committed.at(-1);
  assert(committed[0]?.index === state.commit + 1, "they follow what is committed");
  assert(last !== undefined, "there is something to take");
  const fresh = committed.findIndex(({ index, term }) => log.termAt(index) !== term);
  const news = fresh === -1 ? [] : committed.slice(fresh);
  const configurations = decodeConfigurations(news);
  if (configurations === null) {
    drop(state, "malformed");
    return false;
  }
  const isNewer = last.term > state.term;
  if (isNewer || state.role.name !== "follower") {
    becomeFollower(state, Math.max(state.term, last.term), null);
  }
  if (news.length > 0) replaceFrom(state, news, configurations);
  advanceCommit(state, last.index);
  state.leaderLast = Math.max(state.leaderLast, last.index);
  assert(log.termAt(last.index) === last.term, "what was relayed is in the log");
  return true;
}

/**
 * Who leads, by hearsay: enough to forward commands and reads to, never a reason for a voter not to stand. The word
 * of the leader itself replaces it at once.
 */
function follow(state: CoreState, { leader, leaderTicks }: Relayed): void {
  if (leader === null || leader === state.self || !isNodeId(leader)) return;
  if (isPromotable(state)) return;
  assert(leaderTicks > 0, "hearsay holds for some time");
  setLeader(state, leader, true);
  state.electionElapsed = 0;
  state.electionTimeout = leaderTicks;
}
