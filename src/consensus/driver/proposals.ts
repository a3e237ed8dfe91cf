/**
 * Proposals under way on this agent: those not yet given to the core, and those that wait at their log position.
 * Positions may be taken twice (by terms), hence the chain of waiters at one index. Once a proposal has one, only its
 * own entry, committed, says what came of it: when another is committed there, this generation never commits the
 * proposal, but a member that still holds it at the end of its log may force a generation that does.
 */
import { abortReason } from "../../base/clock.ts";
import {
  type Entry,
  type Index,
  type NodeId,
  type ProposeResult,
  type Term,
} from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { type Applied } from "./api.ts";
import { type DriverMetrics } from "./metrics.ts";

interface Proposal<R> {
  readonly data: Uint8Array;
  readonly resolve: (applied: Applied<R>) => void;
  readonly reject: (error: Error) => void;
  readonly begunMs: number;
  readonly signal: AbortSignal | null;
  /** Set when the caller gave up: it was answered already. */
  settled: boolean;
  /** 0 until the core has taken it. */
  term: Term;
  /** Another proposal at the same index, from an earlier term. */
  next: Proposal<R> | null;
}

export interface ProposalLimits {
  readonly maxPendingProposals: number;
  readonly maxPendingBytes: number;
  readonly busyRetryMs: number;
  readonly proposalTimeoutMs: number;
  readonly maxEntryBytes: number;
}

/** Payload given to the core at a time. */
const maxBatchBytes = 1024 * 1024;

const overwritten =
  "Another leader's entry took its place, but a member that holds it may go on in a generation of its own.";

export class Proposals<R> {
  readonly #limits: ProposalLimits;
  readonly #metrics: DriverMetrics;
  #queue: Proposal<R>[] = [];
  readonly #placed = new Map<Index, Proposal<R>>();
  #pendingBytes = 0;

  constructor(limits: ProposalLimits, metrics: DriverMetrics) {
    this.#limits = limits;
    this.#metrics = metrics;
  }

  /** Queues `data` for the next turn, or refuses it at once. */
  add(data: Uint8Array, nowMs: number, signal: AbortSignal | null): Promise<Applied<R>> {
    const refusal = signal?.aborted === true ? abortReason(signal) : this.#refusal(data);
    if (refusal !== null) {
      this.#metrics.refused += 1;
      return Promise.reject(refusal);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Applied<R>>();
    const rest = { settled: false, term: 0, next: null };
    const proposal: Proposal<R> = { data, resolve, reject, begunMs: nowMs, signal, ...rest };
    this.#queue.push(proposal);
    this.#metrics.pendingProposals += 1;
    this.#metrics.proposals += 1;
    this.#pendingBytes += data.byteLength;
    if (signal !== null) this.#watch(proposal, signal);
    return promise;
  }

  get queued(): boolean {
    return this.#queue.length > 0;
  }

  /** Gives the core a batch of what is queued. */
  flush(propose: (data: readonly Uint8Array[]) => ProposeResult): void {
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    const outcome = propose(batch.map((proposal) => proposal.data));
    if (!outcome.ok) {
      this.#metrics.refused += batch.length;
      const error = refusalError(outcome, this.#limits.busyRetryMs);
      for (const proposal of batch) this.#fail(proposal, error);
      return;
    }
    for (const [i, proposal] of batch.entries()) {
      const index = outcome.first + i;
      proposal.term = outcome.term;
      proposal.next = this.#placed.get(index) ?? null;
      // Keeps the map in the order of age, which `expire` relies on.
      if (proposal.next !== null) this.#placed.delete(index);
      this.#placed.set(index, proposal);
    }
  }

  /** An entry was applied: whoever waits at its index has an answer. */
  applied({ index, term }: Entry, result: R | null, nowMs: number): void {
    let proposal = this.#placed.get(index) ?? null;
    if (proposal === null) return;
    this.#placed.delete(index);
    for (; proposal !== null; proposal = proposal.next) {
      if (proposal.term === term && result !== null) {
        this.#metrics.commitMs.observe(nowMs - proposal.begunMs);
        if (this.#settle(proposal)) proposal.resolve({ index, term, result });
      } else {
        this.#metrics.unknown += 1;
        this.#fail(proposal, unknownOutcome(overwritten));
      }
    }
  }

  /** A snapshot replaced the entries up to `index`: their results were never seen here. */
  skipped(upTo: Index): void {
    for (const [index, proposal] of this.#placed) {
      if (index <= upTo) this.#giveUp(index, proposal, "A snapshot replaced its result.");
    }
  }

  expire(nowMs: number): void {
    const limit = nowMs - this.#limits.proposalTimeoutMs;
    for (const [index, proposal] of this.#placed) {
      if (proposal.begunMs > limit) break;
      this.#giveUp(index, proposal, "It was not committed in time.");
    }
  }

  rejectAll(queued: Error, placed: Error): void {
    for (const proposal of this.#queue) this.#fail(proposal, queued);
    this.#queue = [];
    for (let proposal of this.#placed.values()) {
      for (;;) {
        this.#fail(proposal, placed);
        if (proposal.next === null) break;
        proposal = proposal.next;
      }
    }
    this.#placed.clear();
  }

  #takeBatch(): readonly Proposal<R>[] {
    let bytes = 0;
    let count = 0;
    for (const { data } of this.#queue) {
      if (count > 0 && bytes + data.byteLength > maxBatchBytes) break;
      bytes += data.byteLength;
      count += 1;
    }
    return this.#queue.splice(0, count).filter((proposal) => !proposal.settled);
  }

  #refusal({ byteLength }: Uint8Array): ConsensusError | null {
    const { maxPendingProposals, maxPendingBytes, busyRetryMs, maxEntryBytes } = this.#limits;
    if (byteLength > maxEntryBytes) {
      const message = `A command of ${byteLength} bytes is larger than the limit of ${maxEntryBytes}.`;
      return new ConsensusError("TOO_LARGE", message, { bytes: byteLength, limit: maxEntryBytes });
    }
    const count = this.#metrics.pendingProposals;
    const full = count >= maxPendingProposals || this.#pendingBytes + byteLength > maxPendingBytes;
    return full && count > 0 ? busy(`${count} proposals are under way`, busyRetryMs) : null;
  }

  #giveUp(index: Index, proposal: Proposal<R>, why: string): void {
    this.#placed.delete(index);
    for (let one: Proposal<R> | null = proposal; one !== null; one = one.next) {
      this.#metrics.unknown += 1;
      this.#fail(one, unknownOutcome(why));
    }
  }

  #watch(proposal: Proposal<R>, signal: AbortSignal): void {
    const give = (): void => {
      const why = "The caller stopped waiting.";
      this.#fail(proposal, proposal.term === 0 ? abortReason(signal) : unknownOutcome(why));
    };
    signal.addEventListener("abort", give, { once: true });
  }

  #fail(proposal: Proposal<R>, error: Error): void {
    if (this.#settle(proposal)) proposal.reject(error);
  }

  /** True the first time. */
  #settle(proposal: Proposal<R>): boolean {
    if (proposal.settled) return false;
    proposal.settled = true;
    this.#metrics.pendingProposals -= 1;
    this.#pendingBytes -= proposal.data.byteLength;
    return true;
  }
}

export function notLeader(leader: NodeId | null, detail: string): ConsensusError {
  const message = `This agent does not lead the cluster: ${detail}.`;
  return new ConsensusError("NOT_LEADER", message, { leader });
}

export function busy(what: string, retryAfterMs: number): ConsensusError {
  const message = `Too much is under way: ${what}. Retry in ${retryAfterMs} ms.`;
  return new ConsensusError("BUSY", message, { retryAfterMs });
}

function unknownOutcome(why: string): ConsensusError {
  const message = `The outcome of the command is unknown. ${why} It may still be committed.`;
  return new ConsensusError("UNKNOWN_OUTCOME", message);
}

function refusalError(
  refusal: Extract<ProposeResult, { readonly ok: false }>,
  retryAfterMs: number,
): ConsensusError {
  const { reason, leader, detail } = refusal;
  if (reason === "busy") return busy(detail, retryAfterMs);
  if (reason === "too-large") return new ConsensusError("TOO_LARGE", `${detail}.`);
  return notLeader(reason === "not-leader" ? leader : null, detail);
}
