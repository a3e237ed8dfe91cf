/** Callers that wait until this replica has applied an index. Ordered by index; deadlines are swept by ticks. */
import { type Index } from "../core/types.ts";

interface Waiter {
  readonly index: Index;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class IndexWaiters {
  #waiting: Waiter[] = [];

  add(waiter: Waiter): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.index ?? 0) > waiter.index) at -= 1;
    this.#waiting.splice(at, 0, waiter);
  }

  reached(applied: Index): void {
    let count = 0;
    while (count < this.#waiting.length && (this.#waiting[count]?.index ?? 0) <= applied) {
      count += 1;
    }
    if (count === 0) return;
    for (const waiter of this.#waiting.splice(0, count)) waiter.resolve();
  }

  expire(nowMs: number, error: (index: Index) => Error): void {
    if (this.#waiting.length === 0) return;
    const late = this.#waiting.filter((waiter) => waiter.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter((waiter) => waiter.deadlineMs > nowMs);
    for (const waiter of late) waiter.reject(error(waiter.index));
  }

  rejectAll(error: Error): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const waiter of all) waiter.reject(error);
  }
}
