/** What clients were told about their writes: when the last one was acknowledged, and what must be in the events. */
export interface Acknowledged {
  /** Raft index of the write; null where the answer does not tell it. */
  readonly version: number | null;
}

interface Writes {
  readonly acknowledged: Acknowledged[];
  /** Outcomes that nobody knows. */
  unknown: number;
}

export class Journal {
  readonly writes = new Map<string, Writes>();
  acknowledged = 0;
  readonly by = new Map<string, number>();
  unknown = 0;
  refused = 0;
  failed = 0;
  reads = 0;
  longestGapMs = 0;
  readonly problems: string[] = [];
  readonly #nowMs: () => number;
  #lastMs: number | null = null;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** @param subject as in the event of the write, such as `var/x`. */
  accept(subject: string, version: number | null): void {
    this.#of(subject).acknowledged.push({ version });
    this.tick();
  }

  /** A write was acknowledged, by the agent of this name where it matters. */
  tick(by = ""): void {
    this.acknowledged += 1;
    this.by.set(by, (this.by.get(by) ?? 0) + 1);
    const now = this.#nowMs();
    if (this.#lastMs !== null) this.longestGapMs = Math.max(this.longestGapMs, now - this.#lastMs);
    this.#lastMs = now;
  }

  doubt(subject: string): void {
    this.#of(subject).unknown += 1;
    this.unknown += 1;
  }

  #of(subject: string): Writes {
    const known = this.writes.get(subject);
    if (known !== undefined) return known;
    const made: Writes = { acknowledged: [], unknown: 0 };
    this.writes.set(subject, made);
    return made;
  }
}
