/**
 * Which engine runs, and in which generation. A generation never changes inside an engine: the running one is halted,
 * one write makes the change durable, everything is read back as after a restart, and another engine goes on. Whatever
 * is interrupted, the disk says which side of the write this agent is on.
 */
import { unlessAborted } from "../../base/clock.ts";
import { must } from "../../base/assert.ts";
import { type Index } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type Lineage, type LineagePromise } from "../lineage/types.ts";
import { type EngineMode, type EnterStep } from "./api.ts";
import { Engine } from "./engine.ts";
import { type DriverDependencies, type EngineEvents, type HaltReasons } from "./engine-types.ts";
import { writeOf } from "./generation-change.ts";
import { IndexWaiters } from "./index-waiters.ts";
import { ReadNumbers } from "./read-numbers.ts";
import { type DriverMetrics } from "./metrics.ts";
import { type DriverOptions } from "./options.ts";
import { type LogWrite } from "./ports.ts";
import { recover, type Recovery } from "./recovery.ts";

export interface KeeperDependencies<R> extends DriverDependencies<R> {
  readonly metrics: DriverMetrics;
}

/** Read from the log at a time when a tail is applied. */
const tailBytes = 1024 * 1024;

export class EngineKeeper<R> {
  readonly #waiters = new IndexWaiters();
  readonly #readNumbers: ReadNumbers;
  readonly #options: DriverOptions;
  readonly #deps: KeeperDependencies<R>;
  readonly #events: EngineEvents;
  #engine: Engine<R> | null = null;
  #lineage: Lineage;
  #held: boolean;
  /** Highest last index that a leader told in this generation: an engine forgets it. */
  #leaderLast: Index = 0;
  #emptyState: readonly Uint8Array[] | null = null;
  /** The change under way; never rejects. */
  #changing: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #salvaged: string | null = null;

  constructor(options: DriverOptions, dependencies: KeeperDependencies<R>, events: EngineEvents) {
    this.#options = options;
    this.#deps = dependencies;
    this.#events = events;
    this.#lineage = options.lineage;
    this.#held = options.held;
    this.#readNumbers = new ReadNumbers(options.starts);
  }

  /** Null before the start; halted during a change. */
  get engine(): Engine<R> | null {
    return this.#engine;
  }

  get lineage(): Lineage {
    return this.#lineage;
  }

  /** What stands in for no engine is held. */
  get mode(): EngineMode {
    return this.#engine?.mode ?? "held";
  }

  /** What was wrong with the log at the start, when it was started over. */
  get salvaged(): string | null {
    return this.#salvaged;
  }

  get leaderLast(): Index {
    return Math.max(this.#leaderLast, this.#engine?.core.status().leaderLast ?? 0);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { stateMachine } = this.#deps;
    if (stateMachine.appliedIndex === 0) this.#emptyState = await collect(stateMachine.snapshot());
    const recovery = await recover(this.#deps, this.#options);
    if (recovery.health === "torn-tail") {
      const { detail } = recovery;
      this.#deps.logger.warn({ detail }, "the log ended in an unfinished write, which was dropped");
    }
    if (recovery.health === "salvaged") this.#salvaged = recovery.detail;
    signal.throwIfAborted();
    await unlessAborted(this.#begin(recovery), signal);
  }

  /** Resolves when the state machine has applied `index`, in whichever generation. */
  reach(index: Index, deadlineMs: number): Promise<void> {
    if (this.#deps.stateMachine.appliedIndex >= index) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.add({ index, deadlineMs, resolve, reject });
    return promise;
  }

  release(): Promise<void> {
    return this.#change(async () => {
      if (!this.#held) return;
      this.#held = false;
      await this.#begin(await this.#quiesce());
    });
  }

  promise(promise: LineagePromise): Promise<void> {
    return this.#change(async () => {
      const { id } = currentGeneration(this.#lineage);
      if (promise.parent !== id) throw notHere(id);
      await this.#leave({ ...this.#lineage, promise });
    });
  }

  freeze(): Promise<void> {
    return this.#change(async () => {
      const { id: parent } = currentGeneration(this.#lineage);
      const promise = this.#lineage.promise?.parent === parent ? this.#lineage.promise : null;
      const ballot = { counter: (promise?.ballot.counter ?? 0) + 1, node: this.#options.self };
      const frozen = promise ?? { parent, ballot, accepted: null };
      await this.#leave({ ...this.#lineage, promise: frozen });
      await this.#applyTail();
    });
  }

  enter(step: EnterStep): Promise<void> {
    return this.#change(async () => {
      const found = await this.#quiesce();
      let write: LogWrite;
      try {
        const { recovered: log, lineage } = found;
        const chain = await this.#deps.log.chainAt(log.lastIndex);
        write = writeOf(step, { self: this.#options.self, lineage, log, chain });
      } catch (error) {
        await this.#begin(found);
        throw error;
      }
      await this.#deps.log.append(write);
      this.#leaderLast = 0;
      await this.#begin(await this.#recover());
      const { n, id, kind } = currentGeneration(this.#lineage);
      this.#deps.logger.warn({ step: step.kind, generation: n, id, kind }, "entered a generation");
    });
  }

  halt(reasons: HaltReasons): void {
    this.#stopped = true;
    this.#engine?.halt(reasons);
    this.#waiters.rejectAll(reasons.queued);
  }

  /** Resolves when nothing touches disk or state any more. Call after `halt`. */
  async quiet(): Promise<void> {
    await this.#changing;
    await this.#engine?.quiet();
  }

  /** One change at a time; a failure of the disk is the agent's. */
  #change(work: () => Promise<void>): Promise<void> {
    const done = this.#changing.then(async () => {
      if (this.#stopped || this.#engine === null) throw stopped();
      try {
        await work();
      } catch (error) {
        const refused = error instanceof ConsensusError && error.code === "GENERATION_MISMATCH";
        if (!refused) this.#events.failed(error);
        throw error;
      }
    });
    this.#changing = done.catch(() => undefined);
    return done;
  }

  /** Makes a promise durable; after the first one there is no running engine any more. */
  async #leave(lineage: Lineage): Promise<void> {
    const write = { ...nothing, lineage };
    if (this.#engine?.mode === "promised") {
      if (lineage.promise !== this.#lineage.promise) await this.#deps.log.append(write);
      this.#lineage = lineage;
      return;
    }
    await this.#halt();
    await this.#deps.log.append(write);
    await this.#begin(await this.#recover());
  }

  /** Halts the engine and reads back what it left. */
  async #quiesce(): Promise<Recovery> {
    await this.#halt();
    return this.#recover();
  }

  async #halt(): Promise<void> {
    const engine = must(this.#engine ?? undefined, "a change begins after the start");
    this.#leaderLast = this.leaderLast;
    engine.halt(changing());
    await engine.quiet();
  }

  #recover(): Promise<Recovery> {
    const state = this.#emptyState;
    return recover(this.#deps, this.#options, state === null ? null : () => replay(state));
  }

  async #begin({ recovered, lineage }: Recovery): Promise<void> {
    this.#lineage = lineage;
    if (this.#stopped) return;
    const promised = lineage.promise?.parent === currentGeneration(lineage).id;
    const mode: EngineMode = promised ? "promised" : this.#held ? "held" : "running";
    const outliving = { waiters: this.#waiters, readNumbers: this.#readNumbers };
    const dependencies = { ...this.#deps, recovered, lineage, mode, ...outliving };
    const engine = new Engine(this.#options, dependencies, this.#events);
    this.#engine = engine;
    engine.start();
    this.#events.changed();
    await this.reach(recovered.hardState.commit, Infinity);
  }

  /** The state machine takes what the log holds beyond its commit index. For an engine that is at rest. */
  async #applyTail(): Promise<void> {
    const { log, stateMachine } = this.#deps;
    const engine = must(this.#engine ?? undefined, "there is an engine at rest");
    const { last, commit } = engine.core.status();
    // After a restart it may still be at what was committed: two would apply the same entries.
    await this.reach(commit, Infinity);
    while (stateMachine.appliedIndex < last) {
      const entries = await log.read(stateMachine.appliedIndex + 1, tailBytes);
      if (entries === null || entries.length === 0) return;
      stateMachine.apply(entries);
      this.#events.applied(stateMachine.appliedIndex);
    }
  }
}

const nothing: LogWrite = {
  ...{ seq: 0, truncateFrom: null, entries: [], hardState: null, snapshot: null },
  mustSync: true,
};

async function collect({
  bytes,
}: {
  readonly bytes: AsyncIterable<Uint8Array>;
}): Promise<readonly Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return parts;
}

async function* replay(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

function changing(): HaltReasons {
  const what = "This agent's consensus changes its generation";
  return {
    queued: new ConsensusError("NOT_LEADER", `${what}. Nothing happened.`, { leader: null }),
    placed: new ConsensusError("UNKNOWN_OUTCOME", `${what}. It may still be committed.`),
    reads: new ConsensusError("NO_LEADER", `${what}; no leader confirmed the read.`),
    waiting: null,
  };
}

function notHere(id: string): ConsensusError {
  const message = `This agent is in generation ${id.slice(0, 8)}; it cannot promise to leave another.`;
  return new ConsensusError("GENERATION_MISMATCH", message, { generation: id });
}

function stopped(): ConsensusError {
  return new ConsensusError("STOPPED", "This agent's consensus is not running.");
}
