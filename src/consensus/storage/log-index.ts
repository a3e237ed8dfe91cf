/**
 * What the log keeps in memory about its frames: where each begins and ends, the chain behind it, the terms and
 * the configurations. Pure bookkeeping; level-log.ts changes it only after the disk has followed.
 */
import { must } from "../../base/assert.ts";
import { decodeConfiguration } from "../core/config-codec.ts";
import { type Configuration, type Entry, EntryType, type Index, type Term } from "../core/types.ts";
import { type Chain } from "./frame.ts";
import { type LogBase } from "./log-records.ts";

export interface FrameInfo {
  readonly first: Index;
  readonly last: Index;
  readonly byteLength: number;
  /** Chain behind `last`. */
  readonly chain: Chain;
}

export class LogIndex {
  #base: LogBase;
  #frames: FrameInfo[] = [];
  #runs: { first: Index; term: Term }[] = [];
  /** Carried by retained entries; the base's own comes before them. */
  #configs: Configuration[] = [];
  #sizeBytes = 0;

  constructor(base: LogBase) {
    this.#base = base;
  }

  get base(): LogBase {
    return this.#base;
  }

  get first(): Index {
    return this.#base.first;
  }

  get last(): Index {
    return this.#frames.at(-1)?.last ?? this.#base.anchor.index;
  }

  get chain(): Chain {
    return this.#frames.at(-1)?.chain ?? this.#base.anchor.chain;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get frames(): readonly FrameInfo[] {
    return this.#frames;
  }

  get configs(): readonly Configuration[] {
    return [this.#base.config, ...this.#configs];
  }

  /** Runs of equal term over [first, last]. */
  get termRuns(): readonly { readonly first: Index; readonly term: Term }[] {
    const from = this.#runs.findLastIndex((run) => run.first <= this.first);
    const runs = from <= 0 ? this.#runs : this.#runs.slice(from);
    return runs.map(({ first, term }) => ({ first: Math.max(first, this.first), term }));
  }

  /** The term at a retained position or at the anchor. */
  termAt(index: Index): Term {
    return this.#runs.findLast((run) => run.first <= index)?.term ?? this.#base.anchor.term;
  }

  /** The configuration in force at `index`. */
  configAt(index: Index): Configuration {
    return this.#configs.findLast((config) => config.index <= index) ?? this.#base.config;
  }

  /** The chain behind `last`, which must be the end of a frame or the anchor. */
  chainBehind(last: Index): Chain {
    return this.#frames.findLast((frame) => frame.last <= last)?.chain ?? this.#base.anchor.chain;
  }

  /** Where the chain can be computed from: behind `index`, or behind the frame that holds it. */
  chainNear(index: Index): { readonly known: Chain } | { readonly within: FrameInfo } | null {
    if (index === this.#base.anchor.index) return { known: this.#base.anchor.chain };
    if (index < this.#base.anchor.index || index > this.last) return null;
    const frame = must(this.#frames[this.frameAt(index)], "a retained entry is in a frame");
    return frame.last === index ? { known: frame.chain } : { within: frame };
  }

  /** The term of the last entry, or of the position the log begins behind. */
  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.#base.anchor.term;
  }

  append(frame: FrameInfo, entries: readonly Entry[]): void {
    this.#frames.push(frame);
    this.#sizeBytes += frame.byteLength;
    for (const entry of entries) {
      if (this.#runs.at(-1)?.term !== entry.term) {
        this.#runs.push({ first: entry.index, term: entry.term });
      }
      const config = configurationIn(entry);
      if (config !== null && entry.index >= this.first) this.#configs.push(config);
    }
  }

  /** Position of the frame that holds `index`, which must be retained. */
  frameAt(index: Index): number {
    let low = 0;
    let high = this.#frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (must(this.#frames[middle], "frames are dense").first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Frames that hold nothing below `from`, and the one that must be cut in two, if any. */
  framesFrom(from: Index): {
    readonly whole: readonly FrameInfo[];
    readonly cut: FrameInfo | null;
  } {
    const start = this.#frames.findLastIndex((frame) => frame.last < from) + 1;
    const touched = this.#frames.slice(start);
    const cut = touched[0];
    if (cut === undefined || cut.first >= from) return { whole: touched, cut: null };
    return { whole: touched.slice(1), cut };
  }

  /** Forgets entries from `from` on; `shortened` replaces the frame that was cut in two. */
  truncateFrom(from: Index, shortened: FrameInfo | null): void {
    const kept = this.#frames.filter((frame) => frame.last < from);
    this.#frames = shortened === null ? kept : [...kept, shortened];
    this.#sizeBytes = this.#frames.reduce((sum, frame) => sum + frame.byteLength, 0);
    this.#runs = this.#runs.filter((run) => run.first < from);
    this.#configs = this.#configs.filter((config) => config.index < from);
  }

  /** The base after entries before `first` are forgotten, and the frames that hold only such entries. */
  planCompaction(
    first: Index,
    most: number,
  ): { readonly base: LogBase; readonly gone: readonly FrameInfo[] } {
    const gone = this.#frames.slice(0, most).filter((frame) => frame.last < first);
    const lastGone = gone.at(-1);
    const anchor =
      lastGone === undefined
        ? this.#base.anchor
        : { index: lastGone.last, term: this.termAt(lastGone.last), chain: lastGone.chain };
    const begin = gone.length < most ? first : Math.min(first, anchor.index + 1);
    const config = this.configs.findLast((one) => one.index < begin) ?? this.#base.config;
    return { base: { ...this.#base, first: begin, anchor, config }, gone };
  }

  compact(base: LogBase, gone: readonly FrameInfo[]): void {
    this.#frames = this.#frames.slice(gone.length);
    for (const frame of gone) this.#sizeBytes -= frame.byteLength;
    this.#configs = this.#configs.filter((config) => config.index >= base.first);
    const from = this.#runs.findLastIndex((run) => run.first <= base.first);
    if (from > 0) this.#runs = this.#runs.slice(from);
    this.#base = base;
  }

  restart(base: LogBase): void {
    this.#base = base;
    this.#frames = [];
    this.#runs = [];
    this.#configs = [];
    this.#sizeBytes = 0;
  }
}

export function configurationIn(entry: Entry): Configuration | null {
  if (entry.type !== EntryType.config && entry.type !== EntryType.forceConfig) return null;
  return decodeConfiguration(entry.data, entry.index);
}
