/**
 * The Raft core: messages, ticks and proposals in, `Ready` out. It does no I/O, knows no clock and keeps no promise
 * by itself; the parts it is made of are functions over one `CoreState`.
 *
 *     driver ── step, tick, propose ──▶ core ── ready() ──▶ driver: persist, send, apply, answer
 *        └────────────── persisted, applied, loaded ◀───────────┘
 */
import { assert } from "../../base/assert.ts";
import { dispatch } from "./dispatch.ts";
import { campaign } from "./election.ts";
import { installSnapshot } from "./follower.ts";
import { isSnapshot, isWellFormed } from "./inbound.ts";
import { checkInvariants } from "./invariants.ts";
import { peerUnreachable, snapshotEnded, tickLeader } from "./leader.ts";
import { checkCoreOptions } from "./options.ts";
import { propose } from "./propose.ts";
import { readIndex, tickForwardedReads } from "./read-index.ts";
import { hasReady, takeReady, type Reported } from "./ready.ts";
import { handleLoaded } from "./replication.ts";
import { proposeConfig } from "./reconfigure.ts";
import { takeRelayed } from "./relay.ts";
import { createState, drop, isPromotable, resetElectionTimer, type CoreState } from "./state.ts";
import { describeStatus } from "./status.ts";
import { startTransfer } from "./transfer.ts";
import { becomeFollower, setLeader } from "./transitions.ts";
import {
  EntryType,
  type ConfigChange,
  type CoreOptions,
  type CoreStatus,
  type DropReason,
  type Entry,
  type Index,
  type LoadRequest,
  type Message,
  type NodeId,
  type ProposeResult,
  type RaftCore,
  type Ready,
  type RecoveredLog,
  type Relayed,
  type SnapshotMeta,
  type Term,
} from "./types.ts";

export function createCore(options: CoreOptions, recovered: RecoveredLog): RaftCore {
  return new Core(options, recovered);
}

/** Between those who stand because their leader's process is gone. */
const spreadTicks = 3;

class Core implements RaftCore {
  readonly #state: CoreState;
  readonly #reported: Reported = { soft: null, config: null };
  /** Term and commit index after the last input: neither may ever fall. */
  #term: Term;
  #commit: Index;

  constructor(options: CoreOptions, recovered: RecoveredLog) {
    checkCoreOptions(options);
    this.#state = createState(options, recovered);
    this.#term = this.#state.term;
    this.#commit = this.#state.commit;
    checkInvariants(this.#state);
  }

  step(message: Message): void {
    const state = this.#state;
    if (!isWellFormed(message)) drop(state, "malformed");
    else if (message.to !== state.self) drop(state, "wrong-receiver");
    else if (message.from === state.self && !isOwnAck(message)) drop(state, "unexpected");
    else dispatch(state, message);
    this.#guard();
  }

  /** After every input: what was promised is kept. */
  #guard(): void {
    const { term, commit, log, role, leader, self, handedState } = this.#state;
    assert(term >= this.#term, "terms never fall");
    assert(commit >= this.#commit, "the commit index never falls");
    assert(commit <= log.last, "committed entries exist");
    assert((role.name === "leader") === (leader === self), "exactly the leader leads");
    assert(term >= handedState.term, "storage does not know a newer term");
    this.#term = term;
    this.#commit = commit;
  }

  tick(): void {
    const state = this.#state;
    if (state.role.name === "leader") {
      tickLeader(state, state.role);
    } else {
      tickForwardedReads(state);
      state.electionElapsed += 1;
      if (state.electionElapsed >= state.electionTimeout) this.#leaderIsOverdue();
    }
    this.#guard();
  }

  #leaderIsOverdue(): void {
    const state = this.#state;
    if (isPromotable(state)) {
      campaign(state, false);
    } else {
      setLeader(state, null);
      resetElectionTimer(state);
    }
  }

  campaign(force = false): void {
    campaign(this.#state, force);
  }

  propose(data: readonly Uint8Array[], type: EntryType = EntryType.command): ProposeResult {
    return propose(this.#state, data, type);
  }

  proposeConfig(change: ConfigChange): ProposeResult {
    return proposeConfig(this.#state, change);
  }

  readIndex(context: number): void {
    readIndex(this.#state, context);
  }

  transfer(to: NodeId | null): void {
    const { role } = this.#state;
    if (role.name === "leader") startTransfer(this.#state, role, to);
  }

  unreachable(id: NodeId, evidence: "closed" | "timeout" | "backpressure"): void {
    const state = this.#state;
    if (id === state.self) return;
    if (state.role.name === "leader") {
      peerUnreachable(state, state.role, id);
    } else if (evidence === "closed" && id === state.leader && !state.relayed) {
      // Its process is gone: vote for others from now on, and stand soon. The spread avoids a split vote.
      setLeader(state, null);
      const soon = state.electionElapsed + 1 + Math.floor(state.options.random() * spreadTicks);
      state.electionTimeout = Math.min(state.electionTimeout, soon);
    }
  }

  snapshotResult(id: NodeId, ok: boolean): void {
    const { role } = this.#state;
    if (role.name === "leader") snapshotEnded(role, { id, ok });
  }

  loaded(request: LoadRequest, entries: readonly Entry[] | null): void {
    const state = this.#state;
    if (request.to === state.self) state.apply.loaded(request.from, entries ?? []);
    else handleLoaded(state, request, entries);
  }

  hasReady(): boolean {
    return hasReady(this.#state, this.#reported);
  }

  ready(): Ready {
    const ready = takeReady(this.#state, this.#reported);
    checkInvariants(this.#state);
    return ready;
  }

  persisted(seq: number): void {
    const { log, writes } = this.#state;
    const last = writes.complete(seq);
    if (last !== null) log.stableTo(last);
    this.#trim();
  }

  applied(index: Index): void {
    this.#state.apply.appliedTo(index);
    this.#trim();
  }

  #trim(): void {
    const { log, options, commit } = this.#state;
    log.trim(options.maxTailBytes, commit);
  }

  compacted(firstIndex: Index): void {
    const { log, configs, snapshot, apply } = this.#state;
    if (firstIndex <= log.first) return;
    assert(firstIndex - 1 <= (snapshot?.index ?? 0), "a snapshot holds what is compacted");
    assert(firstIndex - 1 <= apply.applied, "only applied entries are compacted");
    log.compactTo(firstIndex);
    configs.compactTo(firstIndex);
  }

  snapshotTaken(meta: SnapshotMeta): void {
    const state = this.#state;
    assert(isSnapshot(meta), "a snapshot of one's own is well formed");
    assert(meta.index <= state.apply.applied, "a snapshot holds what was applied");
    if (meta.index > (state.snapshot?.index ?? 0)) state.snapshot = meta;
  }

  snapshotReceived(meta: SnapshotMeta): void {
    if (isSnapshot(meta)) installSnapshot(this.#state, meta);
    else drop(this.#state, "malformed");
  }

  relayed(batch: Relayed): boolean {
    const taken = takeRelayed(this.#state, batch);
    this.#guard();
    return taken;
  }

  stepDown(reason: string): void {
    assert(reason.length > 0, "a leader says why it steps down");
    const state = this.#state;
    if (state.role.name !== "follower") becomeFollower(state, state.term, null);
  }

  dropped(): ReadonlyMap<DropReason, number> {
    return this.#state.dropped;
  }

  status(): CoreStatus {
    return describeStatus(this.#state);
  }

  assertInvariants(): void {
    checkInvariants(this.#state);
  }
}

/** What a node tells itself once its own disk has it. */
function isOwnAck(message: Message): boolean {
  return message.type === "AppendResp" || message.type === "VoteResp";
}
