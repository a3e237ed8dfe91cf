/** Snapshots between agents: at most one to each member, and one from others at a time. */
import { type Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import { type Index, type NodeId, type SnapshotMeta } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { SentSnapshots } from "./log-retention.ts";
import { type DriverMetrics } from "./metrics.ts";
import { type RaftTransport, type SnapshotSink, type SnapshotStore } from "./ports.ts";

interface Dependencies {
  readonly clock: Clock;
  readonly transport: RaftTransport;
  readonly snapshots: SnapshotStore;
  readonly background: Background;
  readonly metrics: DriverMetrics;
}

export interface ExchangeEvents {
  /** The follower has it, or does not. */
  sent(to: NodeId, ok: boolean): void;
  /** One is here, whole and verified. */
  received(meta: SnapshotMeta): void;
  /** Who may send one now, and behind which index it is of use. */
  expectation(): { readonly from: readonly (NodeId | null)[]; readonly commit: Index };
}

interface Reception {
  readonly sink: SnapshotSink;
  over: boolean;
}

export class SnapshotExchange {
  readonly #deps: Dependencies;
  readonly #events: ExchangeEvents;
  readonly #sending = new Map<NodeId, AbortController>();
  readonly #sent = new SentSnapshots();
  #reception: Reception | null = null;
  /** What arrives and touches the disk; never rejects. */
  #arriving: Promise<unknown> = Promise.resolve();
  #halted = false;

  constructor(dependencies: Dependencies, events: ExchangeEvents) {
    this.#deps = dependencies;
    this.#events = events;
    dependencies.transport.onSnapshot((from, meta) => this.#track(this.#accept(from, meta)));
  }

  get sending(): boolean {
    return this.count > 0;
  }

  get count(): number {
    return this.#sending.size;
  }

  /** Per member that is being sent one, or just was, the first entry of the log that it needs. */
  get needed(): readonly Index[] {
    return this.#sent.needed(this.#deps.clock.monotonicMs());
  }

  isSendingTo(to: NodeId): boolean {
    return this.#sending.has(to);
  }

  send(to: NodeId, meta: SnapshotMeta): void {
    this.#sending.get(to)?.abort();
    const control = new AbortController();
    this.#sending.set(to, control);
    this.#sent.begun(to, meta.index);
    this.#deps.background.run(`snapshot to ${to}`, async (stopping) => {
      const ok = await this.#stream(to, meta, AbortSignal.any([control.signal, stopping]));
      if (this.#sending.get(to) !== control) return;
      this.#sending.delete(to);
      this.#sent.ended(to, ok, this.#deps.clock.monotonicMs());
      if (ok) this.#deps.metrics.snapshotsSent += 1;
      this.#events.sent(to, ok);
    });
  }

  /** This agent no longer leads. */
  cancelAll(): void {
    for (const [to, control] of this.#sending) {
      control.abort();
      this.#sent.ended(to, false, this.#deps.clock.monotonicMs());
    }
    this.#sending.clear();
  }

  /** Sends and takes nothing any more: what arrives belongs to a history that this agent may be about to leave. */
  halt(): void {
    this.cancelAll();
    this.#halted = true;
    if (this.#reception !== null) void this.#track(end(this.#reception));
  }

  /** Resolves when nothing that arrived touches the disk any more. Call after `halt`. */
  async quiet(): Promise<void> {
    await this.#arriving;
  }

  #track<T>(work: Promise<T>): Promise<T> {
    const before = this.#arriving;
    this.#arriving = work.then(
      () => before,
      () => before,
    );
    return work;
  }

  async #stream(to: NodeId, meta: SnapshotMeta, signal: AbortSignal): Promise<boolean> {
    const { transport, snapshots } = this.#deps;
    const read = (offset: number): AsyncIterable<Uint8Array> => snapshots.read(meta.id, offset);
    try {
      return await transport.sendSnapshot(to, meta, read, signal);
    } catch {
      return false; // Away, refused, or pruned meanwhile: the core offers the newest one again.
    }
  }

  async #accept(from: NodeId, meta: SnapshotMeta): Promise<SnapshotSink | null> {
    if (this.#halted || !this.#wanted(from, meta)) return null;
    if (this.#reception !== null) await end(this.#reception);
    const sink = await this.#deps.snapshots.receive(meta);
    const reception: Reception = { sink, over: false };
    this.#reception = reception;
    if (this.#halted) {
      await end(reception);
      return null;
    }
    return {
      offset: sink.offset,
      write: (bytes) => (reception.over ? Promise.reject(superseded()) : sink.write(bytes)),
      finish: () => this.#track(this.#finish(reception, meta)),
      abort: () => end(reception),
    };
  }

  #wanted(from: NodeId, meta: SnapshotMeta): boolean {
    const { from: senders, commit } = this.#events.expectation();
    return senders.includes(from) && meta.index > commit;
  }

  async #finish(reception: Reception, meta: SnapshotMeta): Promise<void> {
    if (reception.over) throw superseded();
    reception.over = true;
    await reception.sink.finish();
    this.#deps.metrics.snapshotsReceived += 1;
    this.#events.received(meta);
  }
}

async function end(reception: Reception): Promise<void> {
  if (reception.over) return;
  reception.over = true;
  await reception.sink.abort();
}

function superseded(): ConsensusError {
  return new ConsensusError("STOPPED", "This transfer of a snapshot was given up.");
}
