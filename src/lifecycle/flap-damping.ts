/**
 * How long a failure of each member has to hold before it counts. The hold grows with every flap (a failure that
 * ended soon), so that a node which comes and goes is written into the inventory once and not each time. It doubles,
 * and grows beyond the longest outage just seen: the next one of the same length must not come through. How long an
 * outage looks differs each time, as it is seen from the end of a suspicion to the news of the return.
 */
import { type PeerId } from "../base/ids.ts";

export interface FlapDampingOptions {
  /** A member must have been failed this long. */
  readonly holdMs: number;
  /** A hold never gets longer than this, and is forgotten after `calmMs` without a flap. */
  readonly maxHoldMs: number;
  readonly calmMs: number;
  /** A return within this time of the failure counts as a flap. */
  readonly flapMs: number;
  /** By how much an outage of the same length may look longer the next time. */
  readonly outageSlackMs: number;
}

interface FlapRecord {
  failedAt: number;
  /** Doubled with each flap. */
  stepMs: number;
  /** The longest outage that was a flap; -Infinity while there was none. */
  outageMs: number;
  flappedAt: number;
}

/** Members whose flaps are remembered at most; the longest unchanged are dropped first. */
const maxRecords = 10_000;

export class FlapDamping {
  readonly #options: FlapDampingOptions;
  readonly #records = new Map<PeerId, FlapRecord>();

  constructor(options: FlapDampingOptions) {
    this.#options = options;
  }

  failed(id: PeerId, now: number): void {
    const record = this.#recent(id, now);
    this.#records.delete(id);
    this.#records.set(id, { ...record, failedAt: now });
    if (this.#records.size <= maxRecords) return;
    const oldest = this.#records.keys().next();
    if (oldest.done !== true) this.#records.delete(oldest.value);
  }

  returned(id: PeerId, now: number): void {
    const record = this.#records.get(id);
    const { flapMs, maxHoldMs } = this.#options;
    if (record === undefined || now - record.failedAt > flapMs) return;
    record.outageMs = Math.max(record.outageMs, now - record.failedAt);
    record.stepMs = Math.min(maxHoldMs, record.stepMs * 2);
    record.flappedAt = now;
    // One failure makes one flap, however often its end is reported.
    record.failedAt = -Infinity;
  }

  forget(id: PeerId): void {
    this.#records.delete(id);
  }

  holdOf(id: PeerId, now: number): number {
    const { maxHoldMs, outageSlackMs } = this.#options;
    const { stepMs, outageMs } = this.#recent(id, now);
    return Math.max(stepMs, Math.min(maxHoldMs, outageMs + outageSlackMs));
  }

  /** What counts now: after a calm time nothing. */
  #recent(id: PeerId, now: number): FlapRecord {
    const { calmMs, holdMs } = this.#options;
    const record = this.#records.get(id);
    const isOver =
      record === undefined || now - Math.max(record.flappedAt, record.failedAt) > calmMs;
    if (!isOver) return record;
    return { failedAt: -Infinity, stepMs: holdMs, outageMs: -Infinity, flappedAt: -Infinity };
  }
}
