/**
 * How long a request to the leader is good for, told in the leader's own time. What was sent before a link failed can
 * arrive when it is whole again, minutes later: its sender has long been told that nobody knows, has asked again, and
 * may have been answered by another history. Such a straggler must not overwrite what was written since.
 *
 * The sender counts on from what the leader's clock showed, beginning when the answer arrived: the clock was read before
 * that, so the sender never thinks the leader's time later than it is by more than the clocks drift. (Beginning when it
 * asked would add what the leader took to answer: the commit of a command.) Monotonic clocks on both sides; what they
 * show means nothing beyond a process's life, so a reading names it.
 */
import { type Clock } from "../base/clock.ts";

/** What a leader's clock showed. */
export interface Reading {
  /** Of the leader's process. */
  readonly life: string;
  readonly atMs: number;
}

interface Known {
  /** Null: an agent of an earlier version, which tells no time. */
  readonly reading: Reading | null;
  /** When this agent heard it. */
  readonly heardAtMs: number;
}

/** After so long clocks may have drifted by something that counts. */
const goodForMs = 60_000;

export class LeaderClocks {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #known = new Map<string, Known>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** What it shows, or that it shows nothing. */
  knows(leader: string): boolean {
    const known = this.#known.get(leader);
    return known !== undefined && this.#clock.monotonicMs() - known.heardAtMs <= goodForMs;
  }

  /** The last moment, by the leader's clock, at which a request may be taken that is sent now; null: it tells no time. */
  until(leader: string, withinMs: number): Reading | null {
    const { reading, heardAtMs } = this.#known.get(leader) ?? { reading: null, heardAtMs: 0 };
    if (reading === null) return null;
    const ageMs = this.#clock.monotonicMs() - heardAtMs;
    return { life: reading.life, atMs: reading.atMs + ageMs + withinMs };
  }

  /** As it arrives. */
  note(leader: string, reading: Reading | null): void {
    this.#known.set(leader, { reading, heardAtMs: this.#clock.monotonicMs() });
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
