/**
 * How long a failure of each member has to hold before it counts. The hold grows with every flap (a failure that
 * ended soon), so that a node which comes and goes is written into the inventory once and not each time. It grows to
 * twice what it was, and beyond the outage just seen: the next one of the same length must not come through.
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
}

interface FlapRecord {
  failedAt: number;
  holdMs: number;
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
    const holdMs = this.holdOf(id, now);
    const flappedAt = this.#records.get(id)?.flappedAt ?? -Infinity;
    this.#records.delete(id);
    this.#records.set(id, { failedAt: now, holdMs, flappedAt });
    if (this.#records.size <= maxRecords) return;
    const oldest = this.#records.keys().next();
    if (oldest.done !== true) this.#records.delete(oldest.value);
  }

  returned(id: PeerId, now: number): void {
    const record = this.#records.get(id);
    const { flapMs, holdMs, maxHoldMs } = this.#options;
    if (record === undefined || now - record.failedAt > flapMs) return;
    const outageMs = now - record.failedAt;
    record.holdMs = Math.min(maxHoldMs, Math.max(record.holdMs * 2, outageMs + holdMs));
    record.flappedAt = now;
    // One failure makes one flap, however often its end is reported.
    record.failedAt = -Infinity;
  }

  forget(id: PeerId): void {
    this.#records.delete(id);
  }

  holdOf(id: PeerId, now: number): number {
    const record = this.#records.get(id);
    if (record === undefined) return this.#options.holdMs;
    const calm = now - Math.max(record.flappedAt, record.failedAt) > this.#options.calmMs;
    return calm ? this.#options.holdMs : record.holdMs;
  }
}
