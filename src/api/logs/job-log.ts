/**
 * The log of a job. What is over is read node by node, in the order of the targets; then, when followed, the runs
 * that go on are read side by side. Every line comes with the position after it, so that a reader who comes back
 * gets every line once.
 */
import { rfc3339 } from "../../base/clock.ts";
import { must } from "../../base/assert.ts";
import { type JobRecord } from "../../inventory/records.ts";
import { isActive } from "../../inventory/state.ts";
import { type ApiContext } from "../context.ts";
import { type LogLine } from "../contract/jobs.ts";
import { type Lines, type StreamLine } from "../handler.ts";
import { cursorsOf, type NodePosition } from "./cursor.ts";
import { type NodeLine, NodeLog, type NodeStep } from "./node-log.ts";

export interface JobLogOptions {
  readonly job: JobRecord;
  /** Only this node; null: all targets. */
  readonly node: string | null;
  /** Per target, in order. */
  readonly from: readonly NodePosition[];
  /** Lines before this time are left out. */
  readonly notBefore: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** So many nodes are followed at a time; what the others say waits on disk. */
const sideBySide = 16;

type Outcome =
  | { readonly node: string; readonly step: NodeStep }
  | { readonly node: string; readonly error: unknown };

export class JobLog {
  readonly #options: JobLogOptions;
  readonly #context: ApiContext;
  readonly #positions: NodePosition[];
  /** By node, in the order of the targets. */
  readonly #logs = new Map<string, NodeLog>();
  readonly #targets = new Map<string, number>();

  constructor(options: JobLogOptions, context: ApiContext) {
    this.#options = options;
    this.#context = context;
    this.#positions = [...options.from];
    const { job, node: only, follow, signal } = options;
    for (const [at, node] of job.targets.entries()) {
      this.#targets.set(node, at);
      if (only !== null && only !== node) continue;
      const from = must(options.from[at], "every target has a position");
      this.#logs.set(node, new NodeLog({ job: job.id, node, from, follow, signal }, context));
    }
  }

  async *lines(): Lines<LogLine> {
    const { follow, signal } = this.#options;
    for (const [node, log] of this.#logs) {
      while (log.hasMore() && !(follow && log.isLive())) {
        const { lines, idle } = await log.step();
        yield this.#give(node, lines);
        if (idle || signal.aborted) break;
      }
    }
    if (follow) yield* this.#live();
  }

  async *#live(): Lines<LogLine> {
    const bell = new Bell();
    const ring = (): void => bell.ring();
    const { signal } = this.#options;
    const unsubscribe = this.#context.onApplied(ring);
    signal.addEventListener("abort", ring, { once: true });
    const reading = new Set<string>();
    const outcomes: Outcome[] = [];
    try {
      while (!signal.aborted) {
        this.#readOn(reading, (outcome) => {
          outcomes.push(outcome);
          bell.ring();
        });
        if (reading.size === 0 && this.#isOver()) return;
        await bell.heard();
        for (const outcome of outcomes.splice(0)) {
          reading.delete(outcome.node);
          if ("error" in outcome) throw outcome.error;
          yield this.#give(outcome.node, outcome.step.lines);
        }
      }
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", ring);
    }
  }

  /** Begins to read every node that has more, as many as may be read at a time. */
  #readOn(reading: Set<string>, report: (outcome: Outcome) => void): void {
    for (const [node, log] of this.#logs) {
      if (reading.size >= sideBySide) return;
      if (reading.has(node) || !log.hasMore()) continue;
      reading.add(node);
      log.step().then(
        (step) => report({ node, step }),
        (error: unknown) => report({ node, error }),
      );
    }
  }

  /** True when the job has ended and all was given out. */
  #isOver(): boolean {
    const job = this.#context.view.job(this.#options.job.id);
    if (job !== null && isActive(job)) return false;
    return ![...this.#logs.values()].some((log) => log.hasMore());
  }

  #give(node: string, lines: readonly NodeLine[]): readonly StreamLine<LogLine>[] {
    const at = must(this.#targets.get(node), "a log belongs to a target");
    const cursor = cursorsOf(this.#positions, at);
    const last = lines.at(-1);
    if (last !== undefined) this.#positions[at] = last.after;
    const wanted = lines.filter(({ time }) => time >= this.#options.notBefore);
    return wanted.map((line) => ({ id: cursor(line.after), value: toLine(node, line) }));
  }
}

function toLine(node: string, { run, offset, time, text, notice }: NodeLine): LogLine {
  const line = { node, run, offset, time: rfc3339(time), text };
  return notice ? { ...line, notice: true } : line;
}

/** Wakes one waiter; a ring that nobody waits for is kept. */
class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async heard(): Promise<void> {
    if (!this.#rung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
    this.#rung = false;
  }
}
