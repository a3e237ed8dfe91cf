/**
 * One simulated agent: a core, its disk and its state machine, joined by the smallest possible driver. It does what
 * the contract of `Ready` says, in that order, and reports everything it does to the observer.
 */
import { type Random } from "../../src/base/random.ts";
import {
  type AppendOp,
  type CoreOptions,
  type Entry,
  type Index,
  type LoadRequest,
  type Message,
  type NodeId,
  type RaftCore,
  type ReadResult,
  type RecoveredLog,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import { type SimClock } from "./clock.ts";
import { type SimDisk } from "./disk.ts";
import { type Invariants, type NodeView } from "./invariants.ts";
import { HashMachine } from "./machine.ts";
import { describeReady, type Trace } from "./trace.ts";

export type CoreFactory = (options: CoreOptions, recovered: RecoveredLog) => RaftCore;

export interface NodeParts {
  readonly clock: SimClock;
  readonly random: Random;
  readonly disk: SimDisk;
  readonly invariants: Invariants;
  readonly trace: Trace;
  readonly createCore: CoreFactory;
  readonly options: CoreOptions;
  readonly send: (from: NodeId, to: NodeId, message: Message) => void;
  readonly sendSnapshot: (from: NodeId, to: NodeId, meta: SnapshotMeta) => void;
  readonly onLeader: (id: NodeId) => void;
  readonly onRead: (id: NodeId, result: ReadResult) => void;
  /** A broken driver: lets acknowledgements go before the write is durable. */
  readonly ackEarly: boolean;
  readonly loadMs: number;
}

export class SimNode {
  readonly id: NodeId;
  readonly view: NodeView;
  readonly #parts: NodeParts;
  #core: RaftCore | null = null;
  #machine = new HashMachine();
  #life = 0;

  constructor(parts: NodeParts, view: NodeView) {
    this.id = parts.options.self;
    this.#parts = parts;
    this.view = view;
  }

  get core(): RaftCore | null {
    return this.#core;
  }

  get machine(): HashMachine {
    return this.#machine;
  }

  start(): void {
    if (this.#core !== null) return;
    const { disk, createCore, options, random } = this.#parts;
    const recovered = disk.recover(random.below(20));
    this.#machine = new HashMachine(
      disk.snapshot === null
        ? undefined
        : { index: disk.snapshot.index, hash: Number.parseInt(disk.snapshot.sha256, 16) },
    );
    this.view.image.length = 0;
    this.view.image.push(...disk.entries);
    const base = disk.first - 1;
    this.view.imageBase = { index: base, term: disk.termAt(base) ?? 0 };
    this.view.term = recovered.hardState.term;
    this.view.commit = Math.max(recovered.hardState.commit, recovered.applied);
    this.#core = createCore(options, recovered);
    this.#parts.trace.add(() => `${this.id} starts`);
    this.drain();
  }

  crash(): void {
    if (this.#core === null) return;
    this.#life += 1;
    this.#core = null;
    this.#parts.disk.crash();
    this.#parts.trace.add(() => `${this.id} crashes`);
  }

  tick(): void {
    this.#core?.tick();
    this.drain();
  }

  receive(message: Message): void {
    this.#core?.step(message);
    this.drain();
  }

  with(action: (core: RaftCore) => void): void {
    if (this.#core === null) return;
    action(this.#core);
    this.drain();
  }

  drain(): void {
    const core = this.#core;
    if (core === null) return;
    const { invariants, trace, sendSnapshot, onRead } = this.#parts;
    while (this.#core === core && core.hasReady()) {
      const ready = core.ready();
      trace.add(() => describeReady(this.id, ready));
      invariants.onReady(this.view, ready, core.status().effective.sets);
      if (ready.soft?.role === "leader") this.#parts.onLeader(this.id);
      if (ready.append !== null) this.#write(core, ready.append);
      for (const message of ready.messages) this.#send(message);
      if (ready.append?.snapshot !== null && ready.append !== null) this.#restore(ready.append);
      this.#apply(core, ready.committed);
      for (const request of ready.loads) this.#load(core, request);
      for (const { to, meta } of ready.snapshots) sendSnapshot(this.id, to, meta);
      for (const result of ready.reads) onRead(this.id, result);
    }
  }

  #write(core: RaftCore, op: AppendOp): void {
    const life = this.#life;
    if (this.#parts.ackEarly) for (const message of op.after) this.#sendLater(message);
    this.#parts.disk.write(op, ({ seq, after }) => {
      if (life !== this.#life) return;
      core.persisted(seq);
      if (!this.#parts.ackEarly) for (const message of after) this.#send(message);
      this.drain();
    });
  }

  /** Outside of the core's own call, as the real driver would. */
  #sendLater(message: Message): void {
    const life = this.#life;
    this.#parts.clock.after(0, () => {
      if (life === this.#life) this.#send(message);
    });
  }

  #send(message: Message): void {
    this.#parts.invariants.onSend(this.view, message);
    if (message.to === this.id) {
      this.#core?.step(message);
      this.drain();
    } else {
      this.#parts.send(this.id, message.to, message);
    }
  }

  #restore({ snapshot }: AppendOp): void {
    if (snapshot === null) return;
    const hash = Number.parseInt(snapshot.sha256, 16);
    this.#machine = new HashMachine({ index: snapshot.index, hash });
    this.#parts.invariants.onApplied(this.id, this.#machine.state);
    this.#core?.applied(snapshot.index);
  }

  #apply(core: RaftCore, committed: readonly Entry[]): void {
    for (const entry of committed) {
      this.#machine.apply(entry);
      this.#parts.invariants.onApplied(this.id, this.#machine.state);
    }
    const last = committed.at(-1);
    if (last !== undefined) core.applied(last.index);
  }

  #load(core: RaftCore, request: LoadRequest): void {
    const { clock, disk, loadMs } = this.#parts;
    const life = this.#life;
    clock.after(loadMs, () => {
      if (life !== this.#life) return;
      core.loaded(request, disk.read(request.from, request.maxBytes));
      this.drain();
    });
  }

  /** Takes a snapshot of what was applied and forgets the log before it, but for `keep` entries. */
  compact(keep: number): void {
    const core = this.#core;
    const { index, hash } = this.#machine.state;
    const { disk } = this.#parts;
    if (core === null || index <= (disk.snapshot?.index ?? 0)) return;
    const term = disk.termAt(index);
    if (term === null || index > disk.last) return;
    const meta = this.#snapshotMeta({ index, hash, term });
    disk.saveSnapshot(meta);
    core.snapshotTaken(meta);
    const first = Math.max(disk.first, index + 1 - keep);
    core.compacted(first);
    disk.compact(first);
    this.#parts.trace.add(() => `${this.id} snapshot ${meta.id}, log from ${first}`);
    this.drain();
  }

  #snapshotMeta({ index, hash, term }: { index: Index; hash: number; term: number }): SnapshotMeta {
    const { configs } = this.#parts.disk.recover(0);
    const config = configs.findLast((c) => c.index <= index);
    if (config === undefined) throw new Error(`${this.id} has no configuration at ${index}`);
    const sha256 = hash.toString(16);
    const history = { chain: "", generation: "" };
    return { id: `s${index}-${term}`, index, term, config, ...history, sizeBytes: 8, sha256 };
  }
}
