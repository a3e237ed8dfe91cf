/**
 * How long a request to the leader is good for, told in the leader's own time. What was sent before a link failed can
 * arrive when it is whole again, minutes later: its sender has long been told that nobody knows, has asked again, and
 * may have been answered by another history. Such a straggler must not overwrite what was written since.
 *
 * The sender counts on from what the leader's clock showed, beginning when it asked: so it never thinks the leader's
 * time later than it is by more than the clocks drift. Monotonic clocks on both sides; what they show means nothing
 * beyond a process's life, so a reading names it.
 */
import { type Clock } from "../base/clock.ts";

/** What a leader's clock showed. */
export interface Reading {
  /** Of the leader's process. */
  readonly life: string;
  readonly atMs: number;
}

interface Known extends Reading {
  /** When this agent asked for it. */
  readonly askedAtMs: number;
}

/** After so long clocks may have drifted by something that counts. */
const goodForMs = 60_000;

export class LeaderClocks {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #known = new Map<string, Known>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** The last moment, by the leader's clock, at which a request may be taken that is sent now; null: unknown. */
  until(leader: string, withinMs: number): Reading | null {
    const known = this.#known.get(leader);
    if (known === undefined) return null;
    const ageMs = this.#clock.monotonicMs() - known.askedAtMs;
    return ageMs > goodForMs ? null : { life: known.life, atMs: known.atMs + ageMs + withinMs };
  }

  note(leader: string, reading: Reading, askedAtMs: number): void {
    this.#known.set(leader, { ...reading, askedAtMs });
  }

  /** It did not answer, or not as it should: perhaps it is another process now. */
  forget(leader: string): void {
    this.#known.delete(leader);
  }
}

export function readingIn(value: unknown): Reading | null {
  if (typeof value !== "object" || value === null) return null;
  const { life, atMs } = value as Partial<Record<keyof Reading, unknown>>;
  return typeof life === "string" && typeof atMs === "number" ? { life, atMs } : null;
}
