/**
 * Linearizable reads, batched: all barriers of one turn share one round. A round without answer is asked again
 * with the next tick until its callers' deadlines; when it is answered they wait until its index is applied.
 */
import { isAgentError } from "../../base/errors.ts";
import { type Index, type ReadResult } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { type IndexWaiters } from "./index-waiters.ts";
import { type ReadNumbers } from "./read-numbers.ts";

interface Barrier {
  readonly deadlineMs: number;
  readonly resolve: (index: Index) => void;
  readonly reject: (error: Error) => void;
}

export class ReadBarriers {
  readonly #applied: IndexWaiters;
  readonly #numbers: ReadNumbers;
  /** Not asked yet. */
  #pending: Barrier[] = [];
  readonly #asked = new Map<number, readonly Barrier[]>();
  /** The last round failed: wait for the next tick before asking again. */
  #backingOff = false;

  constructor(applied: IndexWaiters, numbers: ReadNumbers) {
    this.#applied = applied;
    this.#numbers = numbers;
  }

  add(deadlineMs: number): Promise<Index> {
    const { promise, resolve, reject } = Promise.withResolvers<Index>();
    this.#pending.push({ deadlineMs, resolve, reject });
    return promise;
  }

  /** Begins a round for all that wait, through `ask`. */
  flush(ask: (context: number) => void): void {
    if (this.#pending.length === 0 || this.#backingOff) return;
    const context = this.#numbers.next();
    this.#asked.set(context, this.#pending);
    this.#pending = [];
    ask(context);
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
