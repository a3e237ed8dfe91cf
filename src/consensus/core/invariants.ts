/** What must hold between any two calls. Cheap enough to be checked in production, after every Ready. */
import { assert } from "../../base/assert.ts";
import { quorumValue } from "./quorum.ts";
import { committedConfig, effectiveConfig, type CoreState } from "./state.ts";

export function checkInvariants(state: CoreState): void {
  checkLog(state);
  checkTerm(state);
  const effective = effectiveConfig(state);
  assert(effective.index <= state.log.last, "the effective configuration is in the log");
  assert(committedConfig(state).index <= state.commit, "the committed configuration is committed");
  if (state.role.name === "leader") checkLeader(state);
}

function checkLog({ log, commit, apply }: CoreState): void {
  assert(log.first <= log.last + 1, "the log's range is in order");
  assert(log.stable <= log.handed && log.handed <= log.last, "durable ≤ handed over ≤ last");
  assert(log.tailFirst <= log.handed + 1, "what storage lacks is in memory");
  assert(commit <= log.last, "committed entries exist");
  assert(commit >= log.first - 1, "only committed entries are compacted");
  assert(apply.applied <= apply.cursor && apply.cursor <= commit, "applied ≤ handed out ≤ commit");
}

function checkTerm({ term, log, vote, role, self, leader }: CoreState): void {
  assert(Number.isSafeInteger(term) && term >= log.lastTerm, "the term is not older than the log");
  assert((role.name === "leader") === (leader === self), "exactly the leader leads");
  if (role.name === "leader" || role.name === "candidate") {
    assert(vote === self, "who stands for election voted for itself");
  }
}

function checkLeader(state: CoreState): void {
  if (state.role.name !== "leader") return;
  const { peers, reads, uncommittedBytes } = state.role;
  assert(peers.has(state.self), "the leader tracks its own log");
  assert(state.log.lastTerm === state.term, "a leader has appended in its term");
  assert(uncommittedBytes >= 0, "uncommitted bytes are not negative");
  for (const progress of peers.values()) {
    assert(progress.match < progress.next, "match stays below next");
    assert(progress.ackedRound <= reads.round, "no round is acknowledged before it began");
    assert(
      progress.next <= state.log.last + 1 || progress.state === "snapshot",
      "next follows the log",
    );
    assert(progress.match <= state.log.last, "no follower has more than the leader");
  }
  const held = quorumValue(effectiveConfig(state).sets, (id) => peers.get(id)?.match ?? 0);
  const fresh = held > state.commit && state.log.termAt(held) === state.term;
  assert(!fresh || state.role.recount, "what a quorum holds of this term is committed");
}
