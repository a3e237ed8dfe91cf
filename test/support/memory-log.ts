/**
 * LogStore in memory, for tests and simulation. The "disk" outlives the store, so that a crash is: forget the
 * store, keep the disk. Hooks: writes can be delayed, held, made to fail, or the disk be damaged.
 */
import { type Clock } from "../../src/base/clock.ts";
import { decodeConfiguration } from "../../src/consensus/core/config-codec.ts";
import { emptyConfiguration } from "../../src/consensus/core/configuration.ts";
import {
  type Configuration,
  type Entry,
  type HardState,
  type Index,
  type RecoveredLog,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import {
  type LogGenesis,
  type LogHealth,
  type LogOpening,
  type LogStore,
  type LogWrite,
} from "../../src/consensus/driver/ports.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { type Lineage } from "../../src/consensus/lineage/types.ts";
import { chainBehind, chainOrigin } from "../../src/consensus/storage/frame.ts";

/** What is durable. */
export class MemoryDisk {
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  config: Configuration = emptyConfiguration;
  snapshot: SnapshotMeta | null = null;
  first: Index = 1;
  entries: readonly Entry[] = [];
  /** Null until it was opened the first time. */
  lineage: Lineage | null = null;
  /** Hash chain before `first`. */
  chain = chainOrigin;
  /** Durable synchronous writes. */
  syncs = 0;
  /** What `open` answers, and up to which entry the log is still readable. */
  damage: { readonly health: LogHealth; readonly validTo: Index; readonly detail: string } | null =
    null;

  get last(): Index {
    return this.first + this.entries.length - 1;
  }

  write(op: LogWrite): void {
    if (op.mustSync) this.syncs += 1;
    if (op.lineage !== undefined) this.lineage = op.lineage;
    if (op.clear === true) this.#clear();
    if (op.snapshot !== null) this.#restart(op.snapshot);
    const { truncateFrom } = op;
    const kept =
      truncateFrom === null
        ? this.entries
        : this.entries.filter((entry) => entry.index < truncateFrom);
    if (op.entries.length > 0 || kept.length !== this.entries.length) {
      this.entries = [...kept, ...op.entries];
    }
    if (op.hardState !== null) this.hardState = op.hardState;
  }

  compact(first: Index): void {
    const goal = Math.min(first, this.last + 1);
    if (goal <= this.first) return;
    this.config = this.configs().findLast((config) => config.index < goal) ?? this.config;
    this.chain = this.chainAt(goal - 1) ?? this.chain;
    this.entries = this.entries.filter((entry) => entry.index >= goal);
    this.first = goal;
  }

  chainAt(index: Index): string | null {
    if (index < this.first - 1 || index > this.last) return null;
    return chainBehind(this.chain, this.entries.slice(0, index - this.first + 1));
  }

  configs(): readonly Configuration[] {
    const carried = this.entries
      .filter((entry) => entry.type === 2 || entry.type === 3)
      .map((entry) => decodeConfiguration(entry.data, entry.index))
      .filter((config) => config !== null);
    return [this.config, ...carried];
  }

  #clear(): void {
    this.snapshot = null;
    this.config = emptyConfiguration;
    this.chain = chainOrigin;
    this.first = 1;
    this.entries = [];
  }

  #restart(meta: SnapshotMeta): void {
    this.snapshot = meta;
    this.chain = meta.chain;
    this.config = meta.config;
    this.first = meta.index + 1;
    this.entries = [];
  }
}

export interface MemoryLogHooks {
  /** Called before a write becomes durable; its rejection is the write's. */
  beforeWrite?: (op: LogWrite) => Promise<void> | void;
}

export class MemoryLogStore implements LogStore {
  readonly #disk: MemoryDisk;
  readonly #hooks: MemoryLogHooks;
  readonly #delay: ((callback: () => void) => void) | null;
  #failure: Error | null = null;
  #crashed = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    disk: MemoryDisk,
    hooks: MemoryLogHooks = {},
    latency: { readonly clock: Clock; readonly writeMs: () => number } | null = null,
  ) {
    this.#disk = disk;
    this.#hooks = hooks;
    this.#delay =
      latency === null
        ? null
        : (callback) => void latency.clock.setTimer(latency.writeMs(), callback);
  }

  open({ bootstrap, lineage }: LogGenesis): Promise<LogOpening> {
    const disk = this.#disk;
    if (disk.lineage === null) disk.config = bootstrap ?? emptyConfiguration;
    disk.lineage ??= lineage;
    const { health, detail } = disk.damage ?? { health: "ok", detail: "" };
    if (health === "corrupt") {
      this.#failure = new ConsensusError("LOG_CORRUPT", `The log is damaged: ${detail}.`);
    }
    const recovered = this.#recovered();
    return Promise.resolve({ recovered, lineage: disk.lineage, health, detail });
  }

  append(op: LogWrite): Promise<void> {
    return this.#serial(() => this.#disk.write(op), op);
  }

  chainAt(index: Index): Promise<string | null> {
    return this.#queue.then(() => this.#disk.chainAt(index));
  }

  read(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    const { first, last, entries } = this.#disk;
    if (from < first) return Promise.resolve(null);
    if (from > last) return Promise.resolve([]);
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of entries.slice(from - first)) {
      bytes += entry.data.byteLength;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return Promise.resolve(found);
  }

  compact(first: Index): Promise<void> {
    return this.#serial(() => this.#disk.compact(first), null);
  }

  reset(meta: SnapshotMeta, hardState: HardState): Promise<void> {
    const rest = { seq: 0, truncateFrom: null, entries: [], mustSync: true };
    return this.append({ ...rest, snapshot: meta, hardState });
  }

  sizeBytes(): number {
    return this.#disk.entries.reduce((sum, entry) => sum + entry.data.byteLength + 11, 0);
  }

  async close(): Promise<void> {
    await this.#queue;
    this.#failure ??= new ConsensusError("STOPPED", "The log is closed.");
  }

  /** The process is gone: writes that were not durable yet never become so, and are never answered. */
  crash(): void {
    this.#crashed = true;
  }

  #recovered(): RecoveredLog {
    const { hardState, snapshot, first, damage } = this.#disk;
    const last = Math.min(this.#disk.last, damage?.validTo ?? Infinity);
    const entries = this.#disk.entries.slice(0, last - first + 1);
    const runs = entries.filter((entry, i) => entries[i - 1]?.term !== entry.term);
    const commit = Math.min(last, Math.max(hardState.commit, snapshot?.index ?? 0));
    return {
      hardState: { ...hardState, commit },
      configs: this.#disk.configs().filter((config) => config.index <= last),
      snapshot,
      firstIndex: first,
      lastIndex: last,
      termRuns: runs.map(({ index, term }) => ({ first: index, term })),
      tail: entries,
      applied: 0,
    };
  }

  #serial(write: () => void, op: LogWrite | null): Promise<void> {
    const result = this.#queue.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      try {
        if (op !== null) await this.#hooks.beforeWrite?.(op);
        await this.#wait();
        if (this.#crashed) await new Promise<never>(() => {});
        write();
      } catch (cause) {
        this.#failure = new ConsensusError("LOG_WRITE_FAILED", "The write failed.", {}, { cause });
        throw this.#failure;
      }
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #wait(): Promise<void> {
    const delay = this.#delay;
    return delay === null ? Promise.resolve() : new Promise<void>((resolve) => delay(resolve));
  }
}
