/**
 * Runs a core: one input at a time from a mailbox, one timer at the core's next deadline. Inputs that arrive
 * while the core works (a transport may report a dropped connection from inside `sendFrame`) wait their turn.
 */
import { assert } from "../../base/assert.ts";
import { type Clock } from "../../base/clock.ts";
import { type Slowness } from "../../base/slowness.ts";
import { type GossipCore } from "../core/core.ts";
import {
  type Input,
  type Ix,
  type Outbox,
  type SyncAnswer,
  type SyncRequest,
} from "../core/types.ts";
import { Mailbox } from "./mailbox.ts";

export interface CoreHostDependencies {
  readonly core: Pick<GossipCore, "step" | "nextDeadline" | "earlyMs" | "answer" | "counters">;
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly slowness: Pick<Slowness, "factor">;
  /** Called when the mailbox is empty again: events can be handed out now. */
  readonly settled: () => void;
}

/** A timer later than this may have overtaken an ack that waits in the kernel: look there first. */
const lateMs = 50;
const lagWindowMs = 10_000;
const lagReportedMs = 200;
/** Changes below this are no news. */
const slownessStep = 0.25;

export class CoreHost {
  readonly #deps: CoreHostDependencies;
  readonly #mailbox = new Mailbox();
  #isBusy = false;
  #isStopped = false;
  /** A timer was late: inputs are collected, and judged together with it after one turn of the loop. */
  #isYielding = false;
  #armedAt = Infinity;
  #cancel: () => void = () => {};
  #worstLagMs = 0;
  /** What the core was told last. */
  #slowness = 1;
  #lagWindowEnd: number;

  constructor(dependencies: CoreHostDependencies) {
    this.#deps = dependencies;
    this.#lagWindowEnd = dependencies.clock.monotonicMs() + lagWindowMs;
  }

  /** Hands `input` over, or, without one, lets due timers run. */
  post(input: Input | null): void {
    if (this.#isStopped) return;
    if (input !== null && this.#mailbox.put(input)) this.#deps.core.counters.add("inboundOverload");
    if (!this.#isBusy && !this.#isYielding) this.#drain();
  }

  answer(from: Ix, request: SyncRequest): SyncAnswer {
    assert(!this.#isBusy, "a transport asks for a sync answer from its own turn of the event loop");
    const { core, clock, outbox, settled } = this.#deps;
    this.#isBusy = true;
    try {
      return core.answer(clock.monotonicMs(), { from, request }, outbox);
    } finally {
      this.#isBusy = false;
      settled();
      this.post(null);
    }
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #drain(): void {
    const { core, clock, outbox, settled } = this.#deps;
    this.#isBusy = true;
    this.#tellSlowness();
    try {
      do {
        core.step(clock.monotonicMs(), this.#mailbox.takeAll(), outbox);
      } while (!this.#mailbox.isEmpty);
    } finally {
      this.#isBusy = false;
    }
    settled();
    this.#arm();
  }

  #arm(): void {
    if (this.#isStopped || this.#isBusy || this.#isYielding) return;
    const { core, clock } = this.#deps;
    const deadline = core.nextDeadline();
    const now = clock.monotonicMs();
    // A probe that was answered is waited for no more; but a timer that is overdue has something to tell about this host.
    if (deadline === this.#armedAt || (deadline > this.#armedAt && this.#armedAt <= now)) return;
    this.#cancel();
    this.#armedAt = deadline;
    if (deadline === Infinity) return;
    const rest = deadline - now;
    // Timers count whole milliseconds from when the loop last looked: a bare one fires before its time, in vain.
    const delay = rest <= 0 ? 0 : Math.ceil(rest) + 1;
    this.#cancel = clock.setTimer(delay, () => this.#fire(), core.earlyMs());
  }

  #fire(): void {
    const { clock } = this.#deps;
    const lag = clock.monotonicMs() - this.#armedAt;
    this.#noteLag(lag);
    this.#armedAt = Infinity;
    if (lag <= lateMs) {
      this.post(null);
      return;
    }
    this.#isYielding = true;
    this.#cancel = clock.setTimer(0, () => {
      this.#isYielding = false;
      this.post(null);
    });
  }

  #tellSlowness(): void {
    const { slowness } = this.#deps;
    const factor = slowness.factor < 1 + slownessStep ? 1 : slowness.factor;
    if (Math.abs(factor - this.#slowness) < slownessStep) return;
    this.#slowness = factor;
    this.#mailbox.put({ kind: "slowness", factor });
  }

  #noteLag(lag: number): void {
    const now = this.#deps.clock.monotonicMs();
    this.#worstLagMs = Math.max(this.#worstLagMs, lag);
    if (now < this.#lagWindowEnd) return;
    if (this.#worstLagMs > lagReportedMs) {
      this.#mailbox.put({ kind: "loopLag", worstMs: this.#worstLagMs });
    }
    this.#worstLagMs = 0;
    this.#lagWindowEnd = now + lagWindowMs;
  }
}
