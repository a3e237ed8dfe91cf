/**
 * Linearizable reads, batched: all barriers of one turn share one round. A round without answer is asked again
 * with the next tick until its callers' deadlines; when it is answered they wait until its index is applied.
 */
import { isAgentError } from "../../base/errors.ts";
import { type Index, type ReadResult } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { type IndexWaiters } from "./index-waiters.ts";

interface Barrier {
  readonly deadlineMs: number;
  readonly resolve: (index: Index) => void;
  readonly reject: (error: Error) => void;
}

/** More than there ever are; times the milliseconds since 1970 it is a safe integer for 200 years. */
const roundsPerMs = 1024;

export class ReadBarriers {
  readonly #applied: IndexWaiters;
  /** Not asked yet. */
  #pending: Barrier[] = [];
  readonly #asked = new Map<number, readonly Barrier[]>();
  #context: number;
  /** The last round failed: wait for the next tick before asking again. */
  #backingOff = false;

  /**
   * @param startedAtMs wall clock. Rounds are numbered from it: what a leader answers late to a question of this agent's
   * former life must not be taken for the answer to one of this life, which asks about everything committed since.
   */
  constructor(applied: IndexWaiters, startedAtMs: number) {
    this.#applied = applied;
    this.#context = Math.floor(startedAtMs) * roundsPerMs;
  }

  add(deadlineMs: number): Promise<Index> {
    const { promise, resolve, reject } = Promise.withResolvers<Index>();
    this.#pending.push({ deadlineMs, resolve, reject });
    return promise;
  }

  /** Begins a round for all that wait, through `ask`. */
  flush(ask: (context: number) => void): void {
    if (this.#pending.length === 0 || this.#backingOff) return;
    this.#context += 1;
    this.#asked.set(this.#context, this.#pending);
    this.#pending = [];
    ask(this.#context);
  }

  answer({ context, index, ok }: ReadResult, appliedIndex: Index): void {
    const barriers = this.#asked.get(context);
    if (barriers === undefined) return;
    this.#asked.delete(context);
    if (!ok) {
      this.#pending.push(...barriers);
      this.#backingOff = true;
      return;
    }
    for (const barrier of barriers) {
      if (index <= appliedIndex) barrier.resolve(index);
      else this.#waitApplied(barrier, index);
    }
  }

  #waitApplied({ deadlineMs, resolve, reject }: Barrier, index: Index): void {
    const fail = (error: Error): void => {
      const late = isAgentError(error, "APPLY_TIMEOUT");
      reject(late ? noLeader(`This replica did not reach entry ${index} in time.`) : error);
    };
    this.#applied.add({ index, deadlineMs, resolve: () => resolve(index), reject: fail });
  }

  tick(nowMs: number): void {
    this.#backingOff = false;
    this.#pending = expire(this.#pending, nowMs);
    for (const [context, barriers] of this.#asked) {
      const rest = expire(barriers, nowMs);
      if (rest.length === 0) this.#asked.delete(context);
      else if (rest.length < barriers.length) this.#asked.set(context, rest);
    }
  }

  rejectAll(error: Error): void {
    for (const barrier of [this.#pending, ...this.#asked.values()].flat()) barrier.reject(error);
    this.#pending = [];
    this.#asked.clear();
  }
}

function expire(barriers: readonly Barrier[], nowMs: number): Barrier[] {
  return barriers.filter((barrier) => {
    if (barrier.deadlineMs > nowMs) return true;
    barrier.reject(noLeader("No leader confirmed the read in time."));
    return false;
  });
}

function noLeader(what: string): ConsensusError {
  return new ConsensusError(
    "NO_LEADER",
    `${what} Try again when the cluster has a leader (muster status).`,
  );
}
