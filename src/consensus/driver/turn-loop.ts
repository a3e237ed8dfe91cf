/**
 * The loop around the core. Whatever happens (messages, proposals, ticks, completed writes) asks for a turn; one
 * turn per pass of the event loop feeds the core all that waits and carries out all it answers:
 *
 *     step inbox → propose → read rounds → tick → collect → flush frames → write → apply → collect, flush, write
 *
 * Frames leave first, as their way is the longest; then the disk begins, and works while entries are applied.
 *
 * Everything here is synchronous; what takes time (disk, snapshots) calls back and asks for another turn.
 */
import { type Clock } from "../../base/clock.ts";
import {
  type AppendOp,
  type Index,
  type LoadRequest,
  type Message,
  type NodeId,
  type RaftCore,
  type Ready,
  type Relayed,
} from "../core/types.ts";
import { type Applier } from "./applier.ts";
import { type LogWriter } from "./log-writer.ts";
import { type DriverMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { type RaftTransport } from "./ports.ts";
import { type Proposals } from "./proposals.ts";
import { type ReadBarriers } from "./read-barriers.ts";
import { type Scheduler } from "./scheduler.ts";
import { type Snapshots } from "./snapshots.ts";

export interface TurnParts<R> {
  readonly core: RaftCore;
  readonly writer: LogWriter;
  readonly applier: Applier<R>;
  readonly proposals: Proposals<R>;
  readonly barriers: ReadBarriers;
  readonly snapshots: Snapshots;
  readonly transport: RaftTransport;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly metrics: DriverMetrics;
  /** Only applies what is committed: the core hears no time passing, so it never stands for election. */
  readonly passive: boolean;
}

export interface TurnEvents {
  /** Before the core's ticks. */
  ticked(nowMs: number): void;
  soft(soft: NonNullable<Ready["soft"]>): void;
  config(config: NonNullable<Ready["config"]>): void;
  /** Callers wait for a read index. */
  read(context: number): void;
  load(request: LoadRequest): void;
  /** All of the turn's work is done. */
  ended(): void;
  failed(error: unknown): void;
}

export interface TurnBudget {
  readonly inboxBudgetMs: number;
  readonly applyBudgetMs: number;
  /** Longest time that news of the commit index wait for entries to go with. */
  readonly commitNewsMs: number;
}

const maxInbox = 16_384;
/** Messages between two looks at the clock. */
const inboxSlice = 64;

export class TurnLoop<R> {
  readonly #parts: TurnParts<R>;
  readonly #events: TurnEvents;
  readonly #budget: TurnBudget;
  readonly #outbox: Outbox;
  #inbox: Message[] = [];
  /** Collected in this turn, not given to the log yet. */
  #writes: AppendOp[] = [];
  #scheduled = false;
  #turning = false;
  #cancelNews: (() => void) | null = null;
  #ticksDue = 0;
  #stopped = false;

  constructor(parts: TurnParts<R>, events: TurnEvents, budget: TurnBudget) {
    this.#parts = parts;
    this.#events = events;
    this.#budget = budget;
    this.#outbox = new Outbox(parts.transport);
  }

  receive(messages: readonly Message[]): void {
    if (this.#stopped) return;
    this.#parts.metrics.messagesIn += messages.length;
    if (this.#inbox.length > maxInbox) {
      this.#parts.metrics.messagesDropped += messages.length; // Raft survives loss, memory may not
      return;
    }
    for (const message of messages) this.#inbox.push(message);
    this.wake();
  }

  unreachable(peer: NodeId, evidence: "closed" | "timeout"): void {
    this.#guard(() => this.#parts.core.unreachable(peer, evidence));
    this.wake();
  }

  /** False when the core does not take it. */
  relayed(batch: Relayed): boolean {
    let taken = false;
    this.#guard(() => {
      taken = this.#parts.core.relayed(batch);
    });
    this.wake();
    return taken;
  }

  /** Time passed. A loop that could not run meanwhile does not make up for it. */
  tick(count: number): void {
    this.#ticksDue = Math.max(this.#ticksDue, count);
    this.wake();
  }

  /** Whoever waits for `index` to be known as committed elsewhere waits no longer than it must. */
  hasten(index: Index): void {
    this.#outbox.hasten(index);
    this.wake();
  }

  /** Asks for a turn. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#parts.scheduler.soon(() => this.#turn());
  }

  /** Nothing is stepped, sent or applied any more. */
  stop(): void {
    this.#stopped = true;
    this.#inbox = [];
    this.#writes = [];
    this.#outbox.clear();
    this.#cancelNews?.();
  }

  /** These writes are on disk: what waited for them may leave. */
  durable(ops: readonly AppendOp[]): void {
    this.#guard(() => {
      const { core, applier } = this.#parts;
      for (const op of ops) {
        core.persisted(op.seq);
        applier.durable(op.seq);
        this.#route(op.after);
      }
    });
    if (!this.#turning) this.wake();
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#stopped) return;
    this.#turning = true;
    this.#guard(() => {
      const { core, applier, metrics } = this.#parts;
      metrics.turns += 1;
      if (this.#ticksDue > 1) this.#tick();
      this.#stepInbox();
      this.#feed();
      this.#drain();
      this.#letGo();
      if (applier.ready) {
        applier.run(this.#budget.applyBudgetMs);
        this.#drain();
        this.#letGo();
      }
      this.#events.ended();
      this.#watchNews();
      if (this.#inbox.length > 0 || applier.ready || core.hasReady()) this.wake();
      if (this.#parts.proposals.queued) this.wake();
    });
    this.#turning = false;
  }

  /** What the core wants sent and written. A write that needs no disk releases its messages at once. */
  #letGo(): void {
    this.#flush();
    if (this.#writes.length === 0) return;
    const writes = this.#writes;
    this.#writes = [];
    for (const op of writes) this.#parts.writer.enqueue(op);
    this.#flush();
  }

  #flush(): void {
    const { core, metrics } = this.#parts;
    metrics.messagesOut += this.#outbox.flush((peer) => core.unreachable(peer, "backpressure"));
  }

  /** News of the commit index that went with no entries leave by themselves. */
  #watchNews(): void {
    const since = this.#outbox.heldSinceMs;
    if (since === null || this.#cancelNews !== null) return;
    const { clock } = this.#parts;
    const rest = since + this.#budget.commitNewsMs - clock.monotonicMs();
    this.#cancelNews = clock.setTimer(Math.max(0, rest), () => {
      this.#cancelNews = null;
      const heldSince = this.#outbox.heldSinceMs;
      if (heldSince === null || this.#stopped) return;
      if (clock.monotonicMs() - heldSince < this.#budget.commitNewsMs) return this.#watchNews();
      this.#outbox.release();
      this.wake();
    });
  }

  #stepInbox(): void {
    if (this.#inbox.length === 0) return;
    const { core, clock } = this.#parts;
    const end = clock.monotonicMs() + this.#budget.inboxBudgetMs;
    let count = 0;
    for (const message of this.#inbox) {
      core.step(message);
      count += 1;
      if (count % inboxSlice === 0 && clock.monotonicMs() >= end) break;
    }
    if (count === this.#inbox.length) this.#inbox = [];
    else this.#inbox.splice(0, count);
  }

  #feed(): void {
    const { core, proposals, barriers } = this.#parts;
    if (proposals.queued) proposals.flush((data) => core.propose(data));
    barriers.flush((context) => this.#events.read(context));
    if (this.#ticksDue > 0) this.#tick();
  }

  /**
   * One tick may be late, as this agent is: what came in meanwhile is heard first. Those of a calm time are told
   * together and were before it: told after it, they would count against whoever was just heard.
   */
  #tick(): void {
    const { core, clock } = this.#parts;
    this.#events.ticked(clock.monotonicMs());
    for (; this.#ticksDue > 0; this.#ticksDue -= 1) if (!this.#parts.passive) core.tick();
  }

  #drain(): void {
    const { core } = this.#parts;
    while (!this.#stopped && core.hasReady()) this.#carryOut(core.ready());
  }

  #carryOut(ready: Ready): void {
    const { applier, barriers, snapshots } = this.#parts;
    const { append } = ready;
    if (ready.soft !== null) this.#events.soft(ready.soft);
    if (ready.config !== null) this.#events.config(ready.config);
    if (append !== null) {
      if (append.snapshot !== null) applier.pushRestore(append.snapshot, append.seq);
      this.#writes.push(append);
    }
    this.#route(ready.messages);
    applier.push(ready.committed);
    for (const request of ready.loads) this.#events.load(request);
    for (const read of ready.reads) barriers.answer(read, applier.position.index);
    for (const { to, meta } of ready.snapshots) snapshots.send(to, meta);
  }

  /** Messages to oneself are steps, not mail. */
  #route(messages: readonly Message[]): void {
    const { core, clock } = this.#parts;
    for (const message of messages) {
      if (isOwn(message)) core.step(message);
      else this.#outbox.add(message, clock.monotonicMs());
    }
  }

  /** A broken invariant stops this agent: its peers must not hear from a core that is wrong. */
  #guard(run: () => void): void {
    if (this.#stopped) return;
    try {
      run();
    } catch (error) {
      this.#events.failed(error);
    }
  }
}

function isOwn({ from, to }: { readonly from: NodeId; readonly to: NodeId }): boolean {
  return from === to;
}
