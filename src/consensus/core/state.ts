/**
 * The state that all parts of the core share, and the few transitions that touch all of it. The parts (election,
 * replication, reads …) are functions over this one struct; effects go to its outbox.
 */
import { assert } from "../../base/assert.ts";
import { ApplyQueue } from "./apply-queue.ts";
import { ConfigHistory } from "./config-history.ts";
import { isVoter } from "./configuration.ts";
import { RaftLog } from "./log.ts";
import { Outbox } from "./outbox.ts";
import { PendingWrites } from "./pending-writes.ts";
import { type LeaderRole, type RoleState } from "./roles.ts";
import {
  type Configuration,
  type CoreOptions,
  type DropReason,
  type HardState,
  type Index,
  type NodeId,
  type RecoveredLog,
  type SnapshotMeta,
  type Term,
} from "./types.ts";

export interface CoreState {
  readonly self: NodeId;
  readonly options: CoreOptions;
  readonly log: RaftLog;
  readonly configs: ConfigHistory;
  readonly writes: PendingWrites;
  readonly apply: ApplyQueue;
  readonly dropped: Map<DropReason, number>;
  outbox: Outbox;
  role: RoleState;
  term: Term;
  vote: NodeId | null;
  leader: NodeId | null;
  /** `leader` is hearsay of other members: it does not stream to this node. */
  relayed: boolean;
  commit: Index;
  /** The newest index the leader told of: how much this node may lack. */
  leaderLast: Index;
  /** Ticks since a leader was heard, a vote was granted, or the last election began. */
  electionElapsed: number;
  electionTimeout: number;
  snapshot: SnapshotMeta | null;
  /** A snapshot to be installed by the next write. */
  installing: SnapshotMeta | null;
  /** Reads forwarded to the leader: their age in ticks, by context. */
  readonly forwarded: Map<number, number>;
  /** What storage knows or is about to know. */
  handedState: HardState;
}

export function createState(options: CoreOptions, recovered: RecoveredLog): CoreState {
  const { hardState, snapshot } = recovered;
  const log = new RaftLog(recovered);
  assert(hardState.commit <= log.last, "the recovered commit index is within the log");
  assert(hardState.term >= log.lastTerm, "the recovered term is not older than the log");
  assert(recovered.applied >= log.first - 1, "what the state machine lacks is still in the log");
  const configs = new ConfigHistory(recovered.configs);
  configs.compactTo(log.first);
  const base = Math.max(log.first - 1, snapshot?.index ?? 0, recovered.applied);
  const state: CoreState = {
    self: options.self,
    options,
    log,
    configs,
    writes: new PendingWrites(),
    apply: new ApplyQueue(recovered.applied),
    dropped: new Map(),
    outbox: new Outbox(),
    role: { name: "follower" },
    term: hardState.term,
    vote: hardState.vote,
    leader: null,
    relayed: false,
    commit: Math.max(hardState.commit, base),
    leaderLast: log.last,
    electionElapsed: 0,
    electionTimeout: 0,
    snapshot,
    installing: null,
    forwarded: new Map(),
    handedState: hardState,
  };
  assert(state.commit <= log.last, "what was applied or in a snapshot is within the log");
  resetElectionTimer(state);
  return state;
}

export function effectiveConfig(state: CoreState): Configuration {
  return state.configs.effective;
}

export function committedConfig(state: CoreState): Configuration {
  return state.configs.committed(state.commit);
}

export function drop(state: CoreState, reason: DropReason): void {
  state.dropped.set(reason, (state.dropped.get(reason) ?? 0) + 1);
}

/** Draws a new timeout from [1, 2) election timeouts, so that candidates seldom collide (§5.2). */
export function resetElectionTimer(state: CoreState): void {
  const { electionTicks, random } = state.options;
  const extra = Math.floor(random() * electionTicks);
  assert(extra >= 0 && extra < electionTicks, "random() is in [0, 1)");
  state.electionElapsed = 0;
  state.electionTimeout = electionTicks + extra;
  assert(state.electionTimeout < 2 * electionTicks, "a timeout is in [T, 2T)");
}

/**
 * May this node stand for election? A voter may; so may one that only an uncommitted configuration removed, because
 * it can be the only one whose log is long enough to win (dissertation §4.2.2).
 */
export function isPromotable(state: CoreState): boolean {
  const effective = effectiveConfig(state);
  if (isVoter(effective, state.self)) return true;
  return effective.index > state.commit && isVoter(committedConfig(state), state.self);
}

export function leaderRole(state: CoreState): LeaderRole | null {
  return state.role.name === "leader" ? state.role : null;
}

/** Has the leader committed an entry of its own term? Before that it knows neither its commit index nor (C2) more. */
export function committedOwnTerm(state: CoreState): boolean {
  return state.log.termAt(state.commit) === state.term;
}

export function advanceCommit(state: CoreState, index: Index): void {
  assert(index >= state.commit, "the commit index never falls");
  assert(index <= state.log.last, "only existing entries are committed");
  state.commit = index;
}
