/**
 * The runs of one node in one job, one after another: reads the next part of the transcript, and moves on when a
 * run is over. What cannot be read is said in a line of Muster's own rather than left out in silence.
 */
import { delay } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type TranscriptPart } from "../../config-engine/ports.ts";
import { type JobRecord } from "../../inventory/records.ts";
import { type ApiContext } from "../context.ts";
import { type NodePosition } from "./cursor.ts";
import { LineSplitter, type TranscriptLine } from "./line-splitter.ts";

/** What one step of reading gave; `idle`: all there is now was given out, and nobody wants to wait for more. */
export interface NodeStep {
  readonly lines: readonly NodeLine[];
  readonly idle: boolean;
}
export interface NodeLine extends TranscriptLine {
  readonly run: string;
  readonly notice: boolean;
  /** Where to go on after this line. */
  readonly after: NodePosition;
}

export interface NodeLogOptions {
  readonly job: string;
  readonly node: string;
  readonly from: NodePosition;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

const partBytes = 256 * 1024;
const pollMs = 10_000;
/** A run that ended may still be on its way to where it is read. */
const settleMs = 1000;
const retryMs = 500;

interface KnownRun {
  readonly id: string;
  readonly ended: boolean;
}

export class NodeLog {
  readonly #options: NodeLogOptions;
  readonly #context: ApiContext;
  #runs: number;
  #offset: number;
  #splitter: LineSplitter;

  constructor(options: NodeLogOptions, context: ApiContext) {
    this.#options = options;
    this.#context = context;
    this.#runs = options.from.runs;
    this.#offset = options.from.offset;
    this.#splitter = new LineSplitter(this.#offset);
  }

  /** True when there is a run that was not given out whole. */
  hasMore(): boolean {
    return this.#current() !== null;
  }

  /** True while the run to be read goes on. */
  isLive(): boolean {
    return this.#current()?.ended === false;
  }

  /** Reads on. Waits for more only while a run goes on and the log is followed. */
  async step(): Promise<NodeStep> {
    const run = this.#current();
    if (run === null) return { lines: [], idle: true };
    const { signal, follow } = this.#options;
    const { clock } = this.#context;
    const askedAt = clock.monotonicMs();
    let part: TranscriptPart;
    try {
      part = await this.#context.readTranscript(run.id, {
        offset: this.#offset,
        maxBytes: partBytes,
        waitMs: run.ended ? settleMs : follow ? pollMs : 0,
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      return this.#unreadable(run, error);
    }
    const step = this.#take(run, part);
    const hasty = part.chunks.length === 0 && clock.monotonicMs() - askedAt < retryMs;
    if (follow && hasty && !part.complete) await delay(clock, retryMs, signal);
    return step;
  }

  #current(): KnownRun | null {
    const work = this.#job()?.nodes[this.#options.node];
    if (work === undefined) return null;
    const ended = work.runs[this.#runs];
    if (ended !== undefined) return { id: ended.id, ended: true };
    const current = work.current;
    if (current === null || this.#runs > work.runs.length) return null;
    return { id: current.id, ended: false };
  }

  #job(): JobRecord | null {
    return this.#context.view.job(this.#options.job);
  }

  #take(run: KnownRun, part: TranscriptPart): NodeStep {
    const lines = part.chunks.flatMap((chunk) => this.#splitter.push(chunk));
    this.#offset = Math.max(this.#offset, part.nextOffset);
    const exhausted = part.chunks.length === 0;
    if (part.complete || (run.ended && exhausted)) {
      lines.push(...this.#splitter.flush());
      const given = lines.map((line) => this.#line(run, line));
      if (!part.complete) given.push(this.#notice(run, "the rest of its output is not available"));
      return this.#nextRun(given);
    }
    const given = lines.map((line) => this.#line(run, line));
    return { lines: given, idle: exhausted && !this.#options.follow };
  }

  async #unreadable(run: KnownRun, error: unknown): Promise<NodeStep> {
    if (run.ended) {
      const text = `its output is not available: ${errorMessage(error)}`;
      return this.#nextRun([this.#notice(run, text)]);
    }
    // It was just begun, or its agent is away: the inventory will say how it ended.
    if (!this.#options.follow) return { lines: [], idle: true };
    await delay(this.#context.clock, retryMs, this.#options.signal);
    return { lines: [], idle: false };
  }

  #line(run: KnownRun, line: TranscriptLine): NodeLine {
    const after = { runs: this.#runs, offset: line.nextOffset };
    return { ...line, run: run.id, notice: false, after };
  }

  #notice(run: KnownRun, text: string): NodeLine {
    return {
      run: run.id,
      offset: this.#offset,
      nextOffset: this.#offset,
      time: this.#context.clock.wallMs(),
      text: `[muster] ${run.id}: ${text}`,
      notice: true,
      after: { runs: this.#runs + 1, offset: 0 },
    };
  }

  /** The last line of a run stands for the whole run. */
  #nextRun(lines: readonly NodeLine[]): NodeStep {
    this.#runs += 1;
    this.#offset = 0;
    this.#splitter = new LineSplitter(0);
    const last = lines.at(-1);
    if (last === undefined) return { lines, idle: false };
    return {
      lines: [...lines.slice(0, -1), { ...last, after: { runs: this.#runs, offset: 0 } }],
      idle: false,
    };
  }
}
