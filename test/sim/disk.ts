/**
 * A simulated disk for one log: writes become durable later, in order; a crash loses what was not, though a prefix of
 * it may have made it without anybody being told. Writes are atomic, as the contract of `AppendOp` demands.
 */
import { type Random } from "../../src/base/random.ts";
import { decodeConfiguration } from "../../src/consensus/core/config-codec.ts";
import {
  EntryType,
  type AppendOp,
  type Configuration,
  type Entry,
  type HardState,
  type Index,
  type RecoveredLog,
  type SnapshotMeta,
  type Term,
} from "../../src/consensus/core/types.ts";
import { type SimClock } from "./clock.ts";

export interface DiskProfile {
  readonly syncMs: number;
  readonly spikeMs: number;
  readonly spikeChance: number;
}

interface PendingWrite {
  readonly op: AppendOp;
  readonly done: (op: AppendOp) => void;
}

export class SimDisk {
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  snapshot: SnapshotMeta | null = null;
  /** Entries first … first + length - 1. */
  entries: Entry[] = [];
  first: Index = 1;
  readonly #bootstrap: Configuration;
  readonly #clock: SimClock;
  readonly #random: Random;
  #pending: PendingWrite[] = [];
  #syncing = false;
  /** Counts crashes: completions of an earlier life are void. */
  #life = 0;
  profile: DiskProfile;

  constructor(
    profile: DiskProfile,
    parts: {
      readonly bootstrap: Configuration;
      readonly clock: SimClock;
      readonly random: Random;
    },
  ) {
    this.profile = profile;
    this.#bootstrap = parts.bootstrap;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  get last(): Index {
    return this.first + this.entries.length - 1;
  }

  termAt(index: Index): Term | null {
    if (index === this.snapshot?.index) return this.snapshot.term;
    return this.entries[index - this.first]?.term ?? null;
  }

  /** True when the durable log holds this entry, or had it and compacted it. */
  holds(index: Index, term: Term): boolean {
    return index < this.first || this.termAt(index) === term;
  }

  write(op: AppendOp, done: (op: AppendOp) => void): void {
    this.#pending.push({ op, done });
    this.#sync();
  }

  /** One sync at a time; it takes all that is waiting, as group commit does. */
  #sync(): void {
    if (this.#syncing || this.#pending.length === 0) return;
    this.#syncing = true;
    const life = this.#life;
    const batch = this.#pending.length;
    this.#clock.after(this.#syncTime(), () => {
      if (life !== this.#life) return;
      this.#syncing = false;
      const completed = this.#pending.splice(0, batch);
      for (const { op } of completed) this.#apply(op);
      for (const { op, done } of completed) {
        if (life === this.#life) done(op);
      }
      if (life === this.#life) this.#sync();
    });
  }

  #syncTime(): number {
    const { syncMs, spikeMs, spikeChance } = this.profile;
    const spike = this.#random.float() < spikeChance ? this.#random.float() * spikeMs : 0;
    return syncMs * (0.5 + this.#random.float()) + spike;
  }

  #apply({ truncateFrom, entries, hardState, snapshot }: AppendOp): void {
    if (snapshot !== null) {
      this.snapshot = snapshot;
      this.first = snapshot.index + 1;
      this.entries = [];
    }
    if (truncateFrom !== null) this.entries.length = truncateFrom - this.first;
    for (const entry of entries) {
      if (entry.index !== this.last + 1) {
        throw new Error(`disk: entry ${entry.index} does not follow ${this.last}`);
      }
      this.entries.push(entry);
    }
    this.hardState = hardState ?? this.hardState;
  }

  /** Power is gone: some prefix of the unsynced writes made it, the rest is lost. */
  crash(): void {
    this.#life += 1;
    this.#syncing = false;
    const survived = this.#random.below(this.#pending.length + 1);
    for (const { op } of this.#pending.splice(0).slice(0, survived)) this.#apply(op);
  }

  saveSnapshot(meta: SnapshotMeta): void {
    this.snapshot = meta;
  }

  compact(first: Index): void {
    if (first <= this.first) return;
    this.entries.splice(0, first - this.first);
    this.first = first;
  }

  read(from: Index, maxBytes: number): readonly Entry[] | null {
    if (from < this.first) return null;
    const result: Entry[] = [];
    let bytes = 0;
    for (let i = from - this.first; i < this.entries.length; i += 1) {
      const entry = this.entries[i] as Entry;
      bytes += entry.data.length + 32;
      if (result.length > 0 && bytes > maxBytes) break;
      result.push(entry);
    }
    return result;
  }

  /** What a store finds at open. `tail` entries are in memory again. */
  recover(tail: number): RecoveredLog {
    const termRuns: { first: Index; term: Term }[] = [];
    for (const { index, term } of this.entries) {
      if (termRuns.at(-1)?.term !== term) termRuns.push({ first: index, term });
    }
    return {
      hardState: this.hardState,
      configs: this.#configurations(),
      snapshot: this.snapshot,
      firstIndex: this.first,
      lastIndex: this.last,
      termRuns,
      tail: this.entries.slice(Math.max(0, this.entries.length - tail)),
      applied: this.snapshot?.index ?? 0,
    };
  }

  #configurations(): readonly Configuration[] {
    const result = [this.snapshot?.config ?? this.#bootstrap];
    for (const { index, type, data } of this.entries) {
      if (type !== EntryType.config || index <= (this.snapshot?.index ?? 0)) continue;
      const configuration = decodeConfiguration(data, index);
      if (configuration === null) throw new Error(`disk: entry ${index} is no configuration`);
      result.push(configuration);
    }
    return result;
  }
}
