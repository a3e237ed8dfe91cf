/**
 * Running suspicions. Each accuser counts once. Two observers that saw a closed connection and a refused
 * re-dial shorten the rest to a second: no process listens there any more, so waiting would teach nothing.
 */
import { type SuspicionBounds, suspicionTimeoutMs } from "./suspicion.ts";
import { type Ix } from "./types.ts";

interface Suspicion {
  readonly startedAt: number;
  readonly bounds: SuspicionBounds;
  readonly accusers: Ix[];
  readonly refusedBy: Ix[];
  readonly refusedNeeded: number;
  firstRefusedAt: number;
  deadline: number;
}

const none: readonly Ix[] = [];

export interface NewSuspicion {
  readonly member: Ix;
  readonly from: Ix;
  readonly bounds: SuspicionBounds;
  /** Observers of a refused re-dial that are needed; smaller than 2 only when nobody else is left. */
  readonly refusedNeeded: number;
}

export class Suspicions {
  readonly #running = new Map<Ix, Suspicion>();
  readonly #refusedFailMs: number;
  /** Never later than the earliest deadline. */
  #earliest = Infinity;

  constructor(options: { readonly refusedFailMs: number }) {
    this.#refusedFailMs = options.refusedFailMs;
  }

  get size(): number {
    return this.#running.size;
  }

  get nextDeadline(): number {
    return this.#earliest;
  }

  start(now: number, suspicion: NewSuspicion): void {
    const { bounds } = suspicion;
    const deadline = now + suspicionTimeoutMs(bounds, 0);
    this.#running.set(suspicion.member, {
      startedAt: now,
      bounds,
      accusers: [suspicion.from],
      refusedBy: [],
      refusedNeeded: suspicion.refusedNeeded,
      firstRefusedAt: Infinity,
      deadline,
    });
    this.#earliest = Math.min(this.#earliest, deadline);
  }

  /** True when `from` is a new accuser and confirmations were still expected, so it is worth spreading. */
  confirm(member: Ix, from: Ix): boolean {
    const suspicion = this.#running.get(member);
    if (suspicion === undefined || suspicion.accusers.includes(from)) return false;
    const confirmed = suspicion.accusers.length;
    if (confirmed > suspicion.bounds.expected) return false;
    suspicion.accusers.push(from);
    const total = suspicionTimeoutMs(suspicion.bounds, confirmed);
    this.#shorten(suspicion, suspicion.startedAt + total);
    return true;
  }

  /** Counts `from` as an observer of a refused re-dial. True when this is news. */
  refused(now: number, member: Ix, from: Ix): boolean {
    const suspicion = this.#running.get(member);
    if (suspicion === undefined || suspicion.refusedBy.includes(from)) return false;
    if (suspicion.refusedBy.length >= suspicion.refusedNeeded) return false;
    suspicion.refusedBy.push(from);
    suspicion.firstRefusedAt = Math.min(suspicion.firstRefusedAt, now);
    if (suspicion.refusedBy.length >= suspicion.refusedNeeded) {
      this.#shorten(suspicion, suspicion.firstRefusedAt + this.#refusedFailMs);
    }
    return true;
  }

  /** Somebody saw that no process listens there any more. */
  isRefused(member: Ix): boolean {
    return (this.#running.get(member)?.refusedBy.length ?? 0) > 0;
  }

  cancel(member: Ix): void {
    this.#running.delete(member);
    if (this.#running.size === 0) this.#earliest = Infinity;
  }

  /** Members whose time is over; they stay until cancelled. */
  due(now: number): readonly Ix[] {
    if (now < this.#earliest) return none;
    const due: Ix[] = [];
    let earliest = Infinity;
    for (const [member, suspicion] of this.#running) {
      if (suspicion.deadline <= now) due.push(member);
      else earliest = Math.min(earliest, suspicion.deadline);
    }
    this.#earliest = earliest;
    return due;
  }

  /** Gives the members that are due more time, when this agent cannot trust its own judgement. */
  postpone(member: Ix, until: number): void {
    const suspicion = this.#running.get(member);
    if (suspicion === undefined) return;
    suspicion.deadline = until;
    this.#earliest = Math.min(this.#earliest, until);
  }

  #shorten(suspicion: Suspicion, deadline: number): void {
    if (deadline >= suspicion.deadline) return;
    suspicion.deadline = deadline;
    this.#earliest = Math.min(this.#earliest, deadline);
  }
}
