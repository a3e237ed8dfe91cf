/** A core that tells the observer what it hands out and takes in, and does nothing else. */
import {
  type ConfigChange,
  type CoreOptions,
  type CoreStatus,
  type DropReason,
  type Entry,
  type EntryType,
  type Index,
  type LoadRequest,
  type Message,
  type NodeId,
  type ProposeResult,
  type RaftCore,
  type Ready,
  type Relayed,
  type RecoveredLog,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import { type Invariants } from "./invariants.ts";
import { type NodeView } from "./node-view.ts";
import { describeReady, type Trace } from "./trace.ts";

export type CoreFactory = (options: CoreOptions, recovered: RecoveredLog) => RaftCore;

export interface Observer {
  readonly view: NodeView;
  /** Tells the lives of an agent apart. */
  readonly life: number;
  readonly invariants: Invariants;
  readonly trace: Trace;
  onLeader(id: NodeId): void;
  /** Payloads got their places in the log. */
  onProposed(data: readonly Uint8Array[], first: Index): void;
}

export class ObservedCore implements RaftCore {
  readonly #core: RaftCore;
  readonly #observer: Observer;

  constructor(core: RaftCore, observer: Observer) {
    this.#core = core;
    this.#observer = observer;
  }

  ready(): Ready {
    const ready = this.#core.ready();
    const { view, invariants, trace, life } = this.#observer;
    if (isNews(ready)) trace.add(() => describeReady(view.id, ready));
    invariants.onReady(view, ready, () => this.#core.status().effective.sets);
    for (const result of ready.reads) invariants.onReadResult(view, life, result);
    if (ready.soft?.role === "leader") this.#observer.onLeader(view.id);
    return ready;
  }

  step(message: Message): void {
    if (message.from === message.to) {
      this.#observer.invariants.onSend(this.#observer.view, message);
    }
    this.#core.step(message);
  }

  propose(data: readonly Uint8Array[], type?: EntryType): ProposeResult {
    const result = this.#core.propose(data, type);
    if (result.ok) this.#observer.onProposed(data, result.first);
    return result;
  }

  readIndex(context: number): void {
    const { view, life, invariants } = this.#observer;
    invariants.onRead(view, life, context);
    this.#core.readIndex(context);
  }

  tick(): void {
    this.#core.tick();
  }

  campaign(force?: boolean): void {
    this.#core.campaign(force);
  }

  proposeConfig(change: ConfigChange): ProposeResult {
    const result = this.#core.proposeConfig(change);
    const { view, trace } = this.#observer;
    if (result.ok) trace.add(() => `${view.id} changes ${JSON.stringify(change)}`);
    return result;
  }

  transfer(to: NodeId | null): void {
    this.#core.transfer(to);
  }

  unreachable(id: NodeId, evidence: "closed" | "timeout" | "backpressure"): void {
    this.#core.unreachable(id, evidence);
  }

  snapshotResult(id: NodeId, ok: boolean): void {
    this.#core.snapshotResult(id, ok);
  }

  loaded(request: LoadRequest, entries: readonly Entry[] | null): void {
    this.#core.loaded(request, entries);
  }

  hasReady(): boolean {
    return this.#core.hasReady();
  }

  persisted(seq: number): void {
    this.#core.persisted(seq);
  }

  applied(index: Index): void {
    this.#core.applied(index);
  }

  compacted(firstIndex: Index): void {
    this.#core.compacted(firstIndex);
  }

  snapshotTaken(meta: SnapshotMeta): void {
    this.#core.snapshotTaken(meta);
  }

  relayed(batch: Relayed): boolean {
    return this.#core.relayed(batch);
  }

  snapshotReceived(meta: SnapshotMeta): void {
    this.#core.snapshotReceived(meta);
  }

  stepDown(reason: string): void {
    this.#core.stepDown(reason);
  }

  status(): CoreStatus {
    return this.#core.status();
  }

  dropped(): ReadonlyMap<DropReason, number> {
    return this.#core.dropped();
  }

  assertInvariants(): void {
    this.#core.assertInvariants();
  }
}

/** Messages are news when they arrive. */
function isNews({ append, committed, soft, config }: Ready): boolean {
  return append !== null || soft !== null || config !== null || committed.length > 0;
}
