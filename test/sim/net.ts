/**
 * A seeded network: latency with spikes, loss, duplication, reordering, and links cut one by one and in one direction
 * only. `fifo` keeps the order within a link, as a stream does; without it everything may overtake everything.
 */
import { type Random } from "../../src/base/random.ts";
import { type SimClock } from "./clock.ts";

export interface NetProfile {
  readonly latencyMs: number;
  readonly spikeMs: number;
  readonly spikeChance: number;
  readonly lossChance: number;
  readonly duplicateChance: number;
  readonly fifo: boolean;
}

export class SimNetwork<M> {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #cut = new Set<string>();
  readonly #lastArrival = new Map<string, number>();
  readonly #deliver: (to: string, message: M) => void;
  profile: NetProfile;

  constructor(
    profile: NetProfile,
    parts: {
      readonly clock: SimClock;
      readonly random: Random;
      readonly deliver: (to: string, message: M) => void;
    },
  ) {
    this.profile = profile;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#deliver = parts.deliver;
  }

  send(from: string, to: string, message: M): void {
    const { lossChance, duplicateChance } = this.profile;
    if (this.#random.float() < lossChance) return;
    this.#schedule(from, to, message);
    if (this.#random.float() < duplicateChance) this.#schedule(from, to, message);
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  healAll(): void {
    this.#cut.clear();
  }

  #schedule(from: string, to: string, message: M): void {
    const link = `${from}>${to}`;
    const { fifo } = this.profile;
    let arrival = this.#clock.nowMs + this.latency();
    if (fifo) {
      arrival = Math.max(arrival, this.#lastArrival.get(link) ?? 0);
      this.#lastArrival.set(link, arrival);
    }
    this.#clock.after(arrival - this.#clock.nowMs, () => {
      // What is under way when the link is cut is lost too.
      if (!this.isCut(from, to)) this.#deliver(to, message);
    });
  }

  latency(): number {
    const { latencyMs, spikeMs, spikeChance } = this.profile;
    const spike = this.#random.float() < spikeChance ? this.#random.float() * spikeMs : 0;
    return latencyMs * (0.5 + this.#random.float()) + spike;
  }
}
