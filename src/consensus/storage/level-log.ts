/**
 * The Raft log on LevelDB. One write is one atomic, synchronous batch of frames and the head record; the
 * watermark goes to its own files at the same time, and both must be durable before `append` resolves. Writes are
 * strictly one after another. The first one that fails is the last one: after a failed fsync nobody knows what
 * the disk holds, so only a restart, which reads everything back, may go on.
 */
import { assert, must } from "../../base/assert.ts";
import { type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { TaskQueue } from "../../base/task-queue.ts";
import { voterIds } from "../core/configuration.ts";
import {
  type Entry,
  type HardState,
  type Index,
  type RecoveredLog,
  type SnapshotMeta,
} from "../core/types.ts";
import { type LogGenesis, type LogOpening, type LogStore, type LogWrite } from "../driver/ports.ts";
import { currentGeneration, mayVote, refOf } from "../lineage/generation.ts";
import { parseLineage } from "../lineage/lineage-codec.ts";
import { type Lineage } from "../lineage/types.ts";
import { ConsensusError } from "../errors.ts";
import { nodeFiles } from "./files.ts";
import { type Chain, chainBehind, decodeFrame, type Frame } from "./frame.ts";
import { type BatchItem, openLevel } from "./log-database.ts";
import { type FrameInfo } from "./log-index.ts";
import { type LogStorage, openLog, type OpenedLog, writableDatabase } from "./log-opening.ts";
import {
  baseKey,
  encodeBase,
  encodeHead,
  encodeLineage,
  frameKey,
  headKey,
  lineageKey,
} from "./log-records.ts";
import { type Watermark } from "./meta-file.ts";
import { planAppend, type WritePlan } from "./write-plan.ts";

export interface LevelLogOptions {
  /** Holds `meta.0`, `meta.1` and the database in `log/`. */
  readonly directory: string;
  /** LevelDB's memory table: large ones cost memory, small ones stall writes while they are flushed. */
  readonly writeBufferBytes: number;
  /** Newest entries given back at open. */
  readonly maxTailBytes: number;
  /** Quiet time after which the last write is recorded as acknowledged. */
  readonly confirmAfterMs: number;
}

export const defaultLevelLogOptions: Omit<LevelLogOptions, "directory"> = {
  writeBufferBytes: 16 * 1024 * 1024,
  maxTailBytes: 16 * 1024 * 1024,
  confirmAfterMs: 100,
};

/** Frames forgotten in one go; appends may pass between two slices. */
const compactionSlice = 256;

export class LevelLogStore implements LogStore {
  readonly #options: LevelLogOptions;
  readonly #clock: Clock;
  readonly #storage: LogStorage;
  #log: OpenedLog | null = null;
  #hardState: HardState = { term: 0, vote: null, commit: 0 };
  /** Last write begun, last one acknowledged, last one recorded as acknowledged. */
  #op = 0;
  /** The write that left the lineage as it is, and where that put this agent. */
  #lineageOp = 0;
  #lineage: Lineage = { generations: [], promise: null, voteFrom: null };
  #complete = 0;
  #confirmed = 0;
  #position: Pick<WritePlan, "last" | "lastTerm" | "chain" | "config"> | null = null;
  #failure: Error | null = null;
  readonly #tasks = new TaskQueue();
  /** Odd while frames are being removed or replaced: what a reader got meanwhile may not belong together. */
  #rewrites = 0;
  #cancelConfirm: (() => void) | null = null;

  constructor(
    options: LevelLogOptions,
    dependencies: { readonly clock: Clock; readonly storage?: LogStorage },
  ) {
    this.#options = options;
    this.#clock = dependencies.clock;
    this.#storage = dependencies.storage ?? { files: nodeFiles, openDatabase: openLevel };
  }

  /** One task: what was asked for before, such as a confirmation that fell due, finds a log that is open. */
  open(genesis: LogGenesis): Promise<LogOpening> {
    return this.#tasks.run(() => this.#open(genesis));
  }

  async #open(genesis: LogGenesis): Promise<LogOpening> {
    if (this.#log !== null) await this.#release();
    const log = await openLog(this.#storage, this.#options, genesis);
    const { verdict, lineage } = log;
    this.#log = log;
    this.#op = log.op;
    this.#complete = log.complete;
    this.#confirmed = 0;
    this.#position = null;
    this.#hardState = log.hardState;
    this.#lineageOp = log.lineageOp;
    this.#lineage = lineage;
    if (verdict.health === "corrupt") {
      const message = `Cannot write the log in "${this.#options.directory}": ${verdict.detail}.`;
      this.#failure = new ConsensusError("LOG_CORRUPT", message, { detail: verdict.detail });
    } else if (verdict.health !== "ok") {
      await this.#unlessFailed(() => this.#append(emptyOp(log.hardState)));
    } else if (log.begun < log.op) {
      await this.#unlessFailed(() => this.#catchUp(log));
    }
    const health = verdict.health === "fresh" ? "ok" : verdict.health;
    return { recovered: this.#recovered(log), lineage, health, detail: verdict.detail };
  }

  append(op: LogWrite): Promise<void> {
    return this.#serial(() => this.#append(op));
  }

  chainAt(index: Index): Promise<Chain | null> {
    return this.#tasks.run(async () => {
      const near = this.#log?.index.chainNear(index) ?? null;
      if (near === null || "known" in near) return near?.known ?? null;
      const { first, chainBefore, entries } = await this.#intact(near.within);
      return chainBehind(chainBefore, entries.slice(0, index - first + 1));
    });
  }

  async read(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    const before = this.#rewrites;
    const entries = await this.#collect(from, maxBytes);
    if (entries !== undefined && before === this.#rewrites && before % 2 === 0) return entries;
    return this.#tasks.run(async () => {
      const again = await this.#collect(from, maxBytes);
      if (again !== undefined) return again;
      const detail = `entries from ${from} on cannot be read back`;
      throw new ConsensusError("LOG_CORRUPT", `The log is damaged: ${detail}.`, { detail });
    });
  }

  async compact(first: Index): Promise<void> {
    for (let more = true; more; ) {
      more = await this.#serial(() => this.#compactSlice(first));
    }
  }

  reset(meta: SnapshotMeta, hardState: HardState): Promise<void> {
    return this.append({ ...emptyOp(hardState), snapshot: meta });
  }

  sizeBytes(): number {
    return this.#log?.index.sizeBytes ?? 0;
  }

  async close(): Promise<void> {
    await this.#tasks.run(async () => {
      if (this.#log === null) return;
      try {
        await this.#release();
      } finally {
        this.#failure ??= new ConsensusError("STOPPED", "The log is closed.");
      }
    });
  }

  async #release(): Promise<void> {
    const log = this.#opened();
    this.#cancelConfirm?.();
    this.#cancelConfirm = null;
    try {
      if (this.#failure === null) await this.#confirm(log);
    } finally {
      this.#log = null;
      await log.db?.close();
      await log.meta.close();
    }
  }

  async #append(op: LogWrite): Promise<void> {
    const { index } = this.#opened();
    const restarts = op.snapshot !== null || op.clear === true;
    const rewrites = restarts || (op.truncateFrom ?? Infinity) <= index.last;
    const { cut } = index.framesFrom(op.truncateFrom ?? Infinity);
    const plan = planAppend(index, op, cut === null ? null : await this.#intact(cut));
    if (rewrites) this.#rewrites += 1;
    await this.#write(plan, op);
    plan.follow();
    if (rewrites) this.#rewrites += 1;
    // What was promised is about to be told: it must not be missed if the disk loses it.
    if (op.lineage !== undefined) await this.#confirm(this.#opened());
  }

  async #write(plan: WritePlan, op: LogWrite): Promise<void> {
    const { meta } = this.#opened();
    const { term, vote } = this.#hardState;
    const hardState = op.hardState ?? this.#hardState;
    const promises = hardState.term !== term || hardState.vote !== vote;
    const { lineage } = op;
    const sync = op.mustSync || promises || plan.batch.length > 0 || lineage !== undefined;
    const number = sync ? this.#op + 1 : this.#op;
    const { last, chain } = plan;
    const batch: BatchItem[] = [...plan.batch];
    if (lineage !== undefined) batch.push(this.#enter(number, lineage));
    const lineageOp = this.#lineageOp;
    const value = encodeHead({ op: number, hardState, last, chain, lineageOp });
    batch.push({ type: "put", key: headKey, value });
    this.#op = number;
    this.#hardState = hardState;
    this.#position = plan;
    const stored = writableDatabase(this.#log).batch(batch, { sync });
    await (sync ? Promise.all([stored, meta.write(this.#watermark())]) : stored);
    this.#confirmed = Math.max(this.#confirmed, this.#complete);
    this.#complete = number;
    this.#scheduleConfirm();
  }

  #enter(op: number, lineage: Lineage): BatchItem {
    assert(parseLineage(lineage) !== null, "what is written can be read back");
    this.#lineageOp = op;
    this.#lineage = lineage;
    return { type: "put", key: lineageKey, value: encodeLineage({ op, lineage }) };
  }

  #watermark(): Watermark {
    const { last, lastTerm, chain, config } = must(this.#position, "something was written");
    const numbers = { op: this.#op, confirmed: this.#complete, lineageOp: this.#lineageOp };
    const where = { last, lastTerm, chain, generation: refOf(currentGeneration(this.#lineage)) };
    // Who lacks what it had acknowledged may lack the configuration of then, too: nobody is to take this end for all.
    const voters = mayVote(this.#lineage, { term: lastTerm, index: last }) ? voterIds(config) : [];
    return { ...numbers, ...where, voters, term: this.#hardState.term, vote: this.#hardState.vote };
  }

  /** The watermark missed the last write. It may be one write behind, not two: before the next this is put right. */
  async #catchUp({ index, meta }: OpenedLog): Promise<void> {
    const { last, lastTerm, chain } = index;
    this.#position = { last, lastTerm, chain, config: index.configAt(last) };
    await meta.write(this.#watermark());
    this.#confirmed = this.#complete;
  }

  /** Without this the last write before a quiet time could vanish unnoticed. */
  #scheduleConfirm(): void {
    if (this.#cancelConfirm !== null) return;
    const seen = this.#complete;
    this.#cancelConfirm = this.#clock.setTimer(this.#options.confirmAfterMs, () => {
      this.#cancelConfirm = null;
      if (this.#log === null || this.#failure !== null) return;
      if (seen !== this.#op) this.#scheduleConfirm();
      else
        this.#serial(() => this.#confirm(this.#opened())).catch(() => {
          // The failure is kept: the next append reports it.
        });
    });
  }

  async #confirm(log: OpenedLog): Promise<void> {
    if (this.#position === null || this.#confirmed === this.#op) return;
    await log.meta.write(this.#watermark());
    this.#confirmed = this.#complete;
  }

  async #compactSlice(first: Index): Promise<boolean> {
    const { index } = this.#opened();
    const goal = Math.min(first, index.last + 1);
    if (goal <= index.first) return false;
    const { base, gone } = index.planCompaction(goal, compactionSlice);
    const batch: BatchItem[] = gone.map((frame) => ({ type: "del", key: frameKey(frame.first) }));
    batch.push({ type: "put", key: baseKey, value: encodeBase(base) });
    this.#rewrites += 1;
    await writableDatabase(this.#log).batch(batch, { sync: false });
    index.compact(base, gone);
    this.#rewrites += 1;
    return index.first < goal;
  }

  /** Entries from `from`; undefined when a frame is missing or damaged. */
  async #collect(from: Index, maxBytes: number): Promise<readonly Entry[] | null | undefined> {
    const { index, db } = this.#opened();
    if (from < index.first || db === null) return null;
    if (from > index.last) return [];
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = index.frameAt(from); at < index.frames.length; at += 1) {
      const frame = await this.#frame(must(index.frames[at], "frames are dense"));
      if (frame === null) return undefined;
      for (const entry of frame.entries.slice(Math.max(0, from - frame.first))) {
        bytes += entry.data.byteLength;
        if (found.length > 0 && bytes > maxBytes) return found;
        found.push(entry);
      }
    }
    return found;
  }

  async #frame(info: FrameInfo): Promise<Frame | null> {
    const bytes = await writableDatabase(this.#log).get(frameKey(info.first));
    const frame = bytes === undefined ? null : decodeFrame(bytes);
    return frame?.first === info.first && frame.chain === info.chain ? frame : null;
  }

  async #intact(info: FrameInfo): Promise<Frame> {
    const frame = await this.#frame(info);
    if (frame !== null) return frame;
    const detail = `the frame of entries ${info.first} to ${info.last} is damaged`;
    throw new ConsensusError("LOG_CORRUPT", `The log cannot be cut: ${detail}.`, { detail });
  }

  #opened(): OpenedLog {
    return must(this.#log, "the log is open");
  }

  #recovered({ index, tail, hardState }: OpenedLog): RecoveredLog {
    const { first, last, termRuns, configs, base } = index;
    const commit = Math.max(hardState.commit, base.snapshot?.index ?? 0);
    return {
      hardState: { ...hardState, commit: Math.min(commit, last) },
      configs,
      snapshot: base.snapshot,
      firstIndex: first,
      lastIndex: last,
      termRuns,
      tail,
      applied: 0,
    };
  }

  /** Runs a write after those before it. */
  #serial<T>(write: () => Promise<T>): Promise<T> {
    return this.#tasks.run(() => this.#unlessFailed(write));
  }

  /** A write whose failure is final. */
  async #unlessFailed<T>(write: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    try {
      return await write();
    } catch (cause) {
      const message = `Cannot write the log in "${this.#options.directory}": ${errorMessage(cause)}.`;
      this.#failure = new ConsensusError("LOG_WRITE_FAILED", message, {}, { cause });
      throw this.#failure;
    }
  }
}

function emptyOp(hardState: HardState | null): LogWrite {
  return { seq: 0, truncateFrom: null, entries: [], hardState, snapshot: null, mustSync: true };
}
