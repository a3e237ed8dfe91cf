/**
 * One agent's part in consensus: recovers, runs the engine, and answers those who propose, read and wait. When
 * the log or an invariant fails it falls silent at once (no vote, no acknowledgement leaves any more) and says
 * so through `onFailure`; only a restart of the agent may go on.
 */
import { errorMessage } from "../../base/errors.ts";
import { emptyConfiguration } from "../core/configuration.ts";
import {
  type ConfigChange,
  type CoreStatus,
  type Entry,
  type Index,
  type NodeId,
  type ProposeResult,
  type SnapshotMeta,
  type Term,
} from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { currentGeneration, mayVote } from "../lineage/generation.ts";
import { type Generation, type Lineage, type LineagePromise } from "../lineage/types.ts";
import { type Applied, type ConsensusNode, type ConsensusStatus, type EnterStep } from "./api.ts";
import { type Engine } from "./engine.ts";
import { type DriverDependencies, type HaltReasons } from "./engine-types.ts";
import { EngineKeeper } from "./engine-keeper.ts";
import { DriverMetrics } from "./metrics.ts";
import { type DriverOptions } from "./options.ts";
import { type RelayedBatch, type RelayNode } from "./relay-types.ts";

export interface MeasuredConsensusNode<R> extends ConsensusNode<R>, RelayNode {
  /** The unit of the ticks in its status. */
  readonly tickMs: number;
  /** Parts of its status that are asked for with every answer: without building the whole. */
  readonly leaderContactMs: number | null;
  /** A leader with a quorum is in sight. */
  readonly hasQuorum: boolean;
  /** This agent is one. */
  readonly isLeading: boolean;
}

export function createConsensusNode<R>(
  options: DriverOptions,
  dependencies: DriverDependencies<R>,
): MeasuredConsensusNode<R> {
  return new ConsensusDriver(options, dependencies);
}

class ConsensusDriver<R> implements MeasuredConsensusNode<R> {
  readonly name = "consensus";
  readonly metrics = new DriverMetrics();
  readonly tickMs: number;
  readonly #options: DriverOptions;
  readonly #deps: DriverDependencies<R>;
  readonly #changeListeners = new Set<(status: ConsensusStatus) => void>();
  readonly #appliedListeners = new Set<(index: Index) => void>();
  readonly #failureListeners = new Set<(error: Error) => void>();
  readonly #foreignListeners = new Set<(from: NodeId, id: string) => void>();
  readonly #keeper: EngineKeeper<R>;
  #failure: Error | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: DriverOptions, dependencies: DriverDependencies<R>) {
    this.tickMs = options.tickMs;
    this.#options = options;
    this.#deps = dependencies;
    const kept = { ...dependencies, metrics: this.metrics };
    this.#keeper = new EngineKeeper(options, kept, {
      changed: () => this.#changed(),
      applied: (index) => this.#applied(index),
      failed: (error) => this.#fail(error),
    });
    dependencies.transport.onForeignGeneration((from, id) => this.sawForeign(from, id));
  }

  /** Resolves when everything that was known to be committed is applied again. */
  start(signal: AbortSignal): Promise<void> {
    return this.#keeper.start(signal);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  propose(data: Uint8Array, signal?: AbortSignal): Promise<Applied<R>> {
    const engine = this.#running();
    if (engine === null) return Promise.reject(this.#stopped());
    const { contact } = engine;
    if (!contact.isLeader) {
      this.metrics.refused += 1;
      return Promise.reject(notLeading(contact.leader));
    }
    const answer = engine.proposals.add(data, this.#deps.clock.monotonicMs(), signal ?? null);
    engine.loop.wake();
    return answer;
  }

  hasten(index: Index): void {
    this.#running()?.loop.hasten(index);
  }

  readBarrier(timeoutMs: number): Promise<Index> {
    const engine = this.#running();
    if (engine === null) return Promise.reject(this.#stopped());
    if (engine.mode !== "running") return Promise.reject(atRest());
    this.metrics.reads += 1;
    const answer = engine.barriers.add(this.#deps.clock.monotonicMs() + timeoutMs);
    engine.loop.wake();
    return answer;
  }

  waitApplied(index: Index, timeoutMs: number): Promise<void> {
    const engine = this.#running();
    if (engine === null) return Promise.reject(this.#stopped());
    return this.#keeper.reach(index, this.#deps.clock.monotonicMs() + timeoutMs);
  }

  resultAt(index: Index, term: Term): R | null {
    return this.#keeper.engine?.results.get(index, term) ?? null;
  }

  proposeConfig(change: ConfigChange): ProposeResult {
    const engine = this.#running();
    if (engine === null) {
      return { ok: false, reason: "not-leader", leader: null, detail: "this agent is stopped" };
    }
    const result = engine.core.proposeConfig(change);
    engine.loop.wake();
    return result;
  }

  transferLeadership(to: NodeId | null, timeoutMs: number): Promise<boolean> {
    const engine = this.#running();
    if (engine === null || !engine.contact.isLeader) return Promise.resolve(false);
    engine.core.transfer(to);
    if (engine.core.status().transferee === null) return Promise.resolve(false);
    const done = engine.transfers.wait(to, this.#deps.clock.monotonicMs() + timeoutMs);
    engine.loop.wake();
    return done;
  }

  get leaderContactMs(): number | null {
    return this.#keeper.engine?.contact.ageMs(this.#deps.clock.monotonicMs()) ?? null;
  }

  get hasQuorum(): boolean {
    const soft = this.#keeper.engine?.contact.soft ?? null;
    return soft !== null && soft.leader !== null && !soft.quorumLost;
  }

  get isLeading(): boolean {
    return this.hasQuorum && this.#keeper.engine?.contact.isLeader === true;
  }

  status(): ConsensusStatus {
    const core = this.#keeper.engine?.core.status() ?? this.#statusBeforeStart();
    return {
      ...core,
      engine: this.#keeper.mode,
      leaderLast: this.#keeper.leaderLast,
      leaderContactMs: this.leaderContactMs,
      snapshotIndex: this.#keeper.engine?.snapshotIndex ?? 0,
      health: this.#failure === null ? "ok" : "failed",
      log: {
        salvaged: this.#keeper.salvaged,
        trusted: mayVote(this.#keeper.lineage, { term: core.lastTerm, index: core.last }),
      },
    };
  }

  generation(): Generation {
    return currentGeneration(this.#keeper.lineage);
  }

  lineage(): Lineage {
    return this.#keeper.lineage;
  }

  chainAt(index: Index): Promise<string | null> {
    return this.#deps.log.chainAt(index);
  }

  release(): Promise<void> {
    return this.#keeper.release();
  }

  promise(promise: LineagePromise): Promise<void> {
    return this.#keeper.promise(promise);
  }

  freeze(): Promise<void> {
    return this.#keeper.freeze();
  }

  enter(step: EnterStep): Promise<void> {
    return this.#keeper.enter(step);
  }

  takeRelayed(batch: RelayedBatch): boolean {
    return this.#relaying()?.relay.take(batch) ?? false;
  }

  giveApplied(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    return this.#relaying()?.relay.give(from, maxBytes) ?? Promise.resolve([]);
  }

  offerSnapshot(to: NodeId): SnapshotMeta | null {
    return this.#relaying()?.relay.offerSnapshot(to) ?? null;
  }

  expectSnapshot(from: NodeId | null): void {
    this.#relaying()?.relay.expectSnapshot(from);
  }

  sawForeign(from: NodeId, id: string): void {
    for (const listener of this.#foreignListeners) listener(from, id);
  }

  onForeignGeneration(listener: (from: NodeId, id: string) => void): () => void {
    this.#foreignListeners.add(listener);
    return () => this.#foreignListeners.delete(listener);
  }

  onChange(listener: (status: ConsensusStatus) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onApplied(listener: (index: Index) => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  onFailure(listener: (error: Error) => void): void {
    if (this.#failure !== null) listener(this.#failure);
    else this.#failureListeners.add(listener);
  }

  /** The engine, when it may be used. */
  #running(): Engine<R> | null {
    return this.#failure === null && this.#stopping === null ? this.#keeper.engine : null;
  }

  /** The engine, when it takes part. */
  #relaying(): Engine<R> | null {
    const engine = this.#running();
    return engine?.mode === "running" ? engine : null;
  }

  async #stop(): Promise<void> {
    const { engine } = this.#keeper;
    if (engine !== null && this.#failure === null) await this.#handOver(engine);
    const stopped = new ConsensusError("STOPPED", "This agent's consensus was stopped.");
    const message = "This agent's consensus was stopped. It may still be committed.";
    const placed = new ConsensusError("UNKNOWN_OUTCOME", message);
    this.#keeper.halt({ ...same(stopped), placed });
    await this.#keeper.quiet();
    await this.#deps.log.close();
  }

  async #handOver(engine: Engine<R>): Promise<void> {
    const { transferOnStopMs } = this.#options;
    if (transferOnStopMs <= 0 || !engine.contact.isLeader) return;
    engine.core.transfer(null);
    const { transferee, last } = engine.core.status();
    if (transferee === null) return;
    const deadlineMs = this.#deps.clock.monotonicMs() + transferOnStopMs;
    const done = engine.transfers.wait(null, deadlineMs);
    engine.loop.wake();
    if (!(await done)) return;
    // The successor's first entry: of two voters, the one that is left may go on alone only once an entry of its own
    // term is committed, and for that it needs this agent.
    await this.#keeper.reach(last + 1, deadlineMs).catch(() => undefined);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== null) return;
    const reason = errorMessage(cause);
    this.#failure = cause instanceof Error ? cause : this.#stopped();
    this.#deps.logger.error({ error: reason }, "consensus failed; the agent must restart");
    const message = `This agent's consensus failed: ${reason}. It may still be committed.`;
    const unknown = new ConsensusError("UNKNOWN_OUTCOME", message, {}, { cause });
    this.#keeper.halt({ ...same(this.#stopped()), placed: unknown });
    for (const listener of this.#failureListeners) listener(this.#failure);
    this.#changed();
  }

  #stopped(): ConsensusError {
    const reason = this.#failure === null ? null : this.#failure.message;
    const why = reason === null ? "is not running" : `failed: ${reason}`;
    return new ConsensusError("STOPPED", `This agent's consensus ${why}.`, { reason });
  }

  #changed(): void {
    if (this.#changeListeners.size === 0) return;
    const status = this.status();
    for (const listener of this.#changeListeners) listener(status);
  }

  #applied(index: Index): void {
    for (const listener of this.#appliedListeners) listener(index);
  }

  #statusBeforeStart(): CoreStatus {
    const none = { commit: 0, applied: 0, first: 1, last: 0, lastTerm: 0, persisted: 0 };
    const config = this.#options.bootstrap ?? emptyConfiguration;
    return {
      ...none,
      ...{ leaderLast: 0, relayed: false },
      ...{ role: "follower", term: 0, vote: null, leader: null },
      ...{ effective: config, committed: config, quorumLost: true, transferee: null },
      peers: new Map(),
    };
  }
}

function same(error: Error): HaltReasons {
  return { queued: error, placed: error, reads: error, waiting: error };
}

function atRest(): ConsensusError {
  const message =
    "This agent takes no part in consensus now; it answers only reads that may be stale.";
  return new ConsensusError("NO_LEADER", message);
}

function notLeading(leader: NodeId | null): ConsensusError {
  const who = leader === null ? "no leader is known" : `"${leader}" leads`;
  return new ConsensusError("NOT_LEADER", `This agent does not lead the cluster: ${who}.`, {
    leader,
  });
}
