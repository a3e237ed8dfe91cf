/** A picture of the core for operators, the autopilot and tests. */
import { assert } from "../../base/assert.ts";
import { quorumLost } from "./ready.ts";
import { committedConfig, effectiveConfig, type CoreState } from "./state.ts";
import { type CoreStatus, type NodeId, type PeerProgress } from "./types.ts";

export function describeStatus(state: CoreState): CoreStatus {
  const { role, term, vote, leader, relayed, commit, apply, log, leaderLast } = state;
  assert(commit <= log.last, "committed entries exist");
  return {
    role: role.name,
    term,
    vote,
    leader,
    relayed,
    commit,
    applied: apply.applied,
    first: log.first,
    last: log.last,
    lastTerm: log.lastTerm,
    persisted: log.stable,
    leaderLast,
    effective: effectiveConfig(state),
    committed: committedConfig(state),
    quorumLost: quorumLost(state),
    transferee: role.name === "leader" ? role.transferee : null,
    peers: describePeers(state),
  };
}

/** The leader's followers; empty elsewhere. */
function describePeers({ role, self }: CoreState): ReadonlyMap<NodeId, PeerProgress> {
  const peers = new Map<NodeId, PeerProgress>();
  if (role.name !== "leader") return peers;
  for (const [id, progress] of role.peers) if (id !== self) peers.set(id, progress.describe());
  return peers;
}
