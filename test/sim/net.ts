/**
 * A seeded network between machines, each link with three lanes (appends, beats, requests) as production has streams.
 * With `fifo` a lane keeps its order until it is reset, which loses all that is under way in it; without, everything
 * may be lost, doubled and overtaken. Links are cut one by one and in one direction only, in three ways.
 */
import { type Random } from "../../src/base/random.ts";
import { type SimClock } from "./clock.ts";

export interface NetProfile {
  readonly latencyMs: number;
  readonly spikeMs: number;
  readonly spikeChance: number;
  /** Of a message, or of a stream to be reset with `fifo`. */
  readonly lossChance: number;
  readonly duplicateChance: number;
  readonly fifo: boolean;
}

/**
 * `silent`: what is sent vanishes (half-open). `refused`: the sender is told. `stalled`: it arrives when the link
 * heals.
 */
export type Cut = "silent" | "refused" | "stalled";

export const lanes = { appends: 0, beats: 1, requests: 2 } as const;
export type Lane = (typeof lanes)[keyof typeof lanes];

interface LaneState {
  lastArrivalMs: number;
  epoch: number;
}

const maxSlots = 64;
const stalledLimit = 200;

export class SimNetwork {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #cuts = new Map<number, Cut>();
  readonly #lanes = new Map<number, LaneState>();
  readonly #stalled = new Map<number, (() => void)[]>();
  /** Told when a stream is reset under living processes. */
  onReset: (from: number, to: number) => void = () => {};
  profile: NetProfile;

  constructor(profile: NetProfile, parts: { readonly clock: SimClock; readonly random: Random }) {
    this.profile = profile;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** False when the sender learns at once that it cannot be sent. */
  send(from: number, to: number, lane: Lane, deliver: () => void): boolean {
    const link = from * maxSlots + to;
    const cut = this.#cuts.get(link);
    if (cut === "refused") return false;
    if (cut === "silent") return true;
    if (cut === "stalled") return this.#stall(link, deliver);
    const { lossChance, duplicateChance, fifo } = this.profile;
    if (lossChance > 0 && this.#random.float() < (fifo ? lossChance / 10 : lossChance)) {
      if (fifo) this.#reset(link, lane, { from, to });
      return true;
    }
    this.#schedule(link, lane, deliver);
    if (!fifo && duplicateChance > 0 && this.#random.float() < duplicateChance) {
      this.#schedule(link, lane, deliver);
    }
    return true;
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(from * maxSlots + to);
  }

  get isCutAnywhere(): boolean {
    return this.#cuts.size > 0;
  }

  cut(from: number, to: number, how: Cut): void {
    if (from !== to) this.#cuts.set(from * maxSlots + to, how);
  }

  heal(from: number, to: number): void {
    const link = from * maxSlots + to;
    this.#cuts.delete(link);
    const stalled = this.#stalled.get(link);
    if (stalled === undefined) return;
    this.#stalled.delete(link);
    for (const deliver of stalled) this.#clock.after(this.latency(), deliver);
  }

  healAll(): void {
    for (const link of [...this.#cuts.keys()]) {
      this.heal(Math.floor(link / maxSlots), link % maxSlots);
    }
  }

  latency(): number {
    const { latencyMs, spikeMs, spikeChance } = this.profile;
    const spike = this.#random.float() < spikeChance ? this.#random.float() * spikeMs : 0;
    return latencyMs * (0.5 + this.#random.float()) + spike;
  }

  #stall(link: number, deliver: () => void): boolean {
    const queue = this.#stalled.get(link) ?? [];
    if (queue.length >= stalledLimit) return false;
    queue.push(deliver);
    this.#stalled.set(link, queue);
    return true;
  }

  #reset(
    link: number,
    lane: Lane,
    { from, to }: { readonly from: number; readonly to: number },
  ): void {
    this.#lane(link, lane).epoch += 1;
    this.onReset(from, to);
  }

  #lane(link: number, lane: Lane): LaneState {
    const key = link * 4 + lane;
    let state = this.#lanes.get(key);
    if (state === undefined) {
      state = { lastArrivalMs: 0, epoch: 0 };
      this.#lanes.set(key, state);
    }
    return state;
  }

  #schedule(link: number, lane: Lane, deliver: () => void): void {
    const { nowMs } = this.#clock;
    const state = this.#lane(link, lane);
    const { epoch } = state;
    let arrival = nowMs + this.latency();
    if (this.profile.fifo) {
      arrival = Math.max(arrival, state.lastArrivalMs);
      state.lastArrivalMs = arrival;
    }
    this.#clock.after(arrival - nowMs, () => {
      // What is under way when the link is cut or the stream is reset is lost too.
      if (state.epoch === epoch && !this.#cuts.has(link)) deliver();
    });
  }
}
