/**
 * A seeded network: delay, loss, loss into single nodes, partitions, one-way or not. Frames travel on one lane that
 * loses them, as in the papers, or on the lanes of an agent: its streams repeat what was lost, as TCP does, and hold up
 * what comes after; its datagrams are lost.
 */
import { type Random } from "../../../src/base/random.ts";
import { type DatagramUse, type LaneName, type Via } from "../../../src/gossip/ports.ts";

export interface NetworkOptions {
  /** One way. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** Share of packets lost anywhere. */
  readonly loss: number;
  /** The lanes of agents that take datagrams so (`--gossip-udp`); null: one lane, and frames get lost on it. */
  readonly datagrams: DatagramUse | null;
}

export const lanNetwork: NetworkOptions = {
  ...{ latencyMinMs: 0.15, latencyMaxMs: 0.5 },
  ...{ loss: 0, datagrams: null },
};

/** Linux's shortest wait before TCP repeats a packet; each further one is twice as long. */
const repeatMs = 200;
/** Then a stream is given up: 102 s. */
const repeatsMax = 8;

export class Network {
  loss: number;
  readonly #options: NetworkOptions;
  readonly #random: Random;
  readonly #ingressLoss = new Map<number, number>();
  #groupOf: ((ix: number) => number) | null = null;
  readonly #oneWay = new Set<string>();
  /** When the last frame from one to another arrives by stream. */
  readonly #streamArrivals = new Map<string, number>();

  constructor(options: NetworkOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.loss = options.loss;
  }

  /** What agents say of themselves. */
  get datagrams(): DatagramUse {
    return this.#options.datagrams ?? "none";
  }

  latencyMs(): number {
    const { latencyMinMs, latencyMaxMs } = this.#options;
    return latencyMinMs + this.#random.float() * (latencyMaxMs - latencyMinMs);
  }

  /** Nodes of different groups do not hear each other; null heals. */
  partition(groupOf: ((ix: number) => number) | null): void {
    this.#groupOf = groupOf;
  }

  blockOneWay(from: number, to: number, blocked: boolean): void {
    const key = `${from}>${to}`;
    if (blocked) this.#oneWay.add(key);
    else this.#oneWay.delete(key);
  }

  /** Share of frames that get lost on their way into `ix`. */
  ingressLoss(ix: number, share: number): void {
    if (share === 0) this.#ingressLoss.delete(ix);
    else this.#ingressLoss.set(ix, share);
  }

  /** No frame ever passes now. */
  isCut(from: number, to: number): boolean {
    if (this.#groupOf !== null && this.#groupOf(from) !== this.#groupOf(to)) return true;
    if (this.#ingressLoss.get(to) === 1) return true;
    return this.#oneWay.size > 0 && this.#oneWay.has(`${from}>${to}`);
  }

  /** Which lanes a frame takes. */
  route(via: Via): readonly LaneName[] {
    const { datagrams } = this.#options;
    if (datagrams === null || datagrams === "none") return ["stream"];
    if (via === "both") return ["stream", "udp"];
    if (via === "stream" || via === "udp") return [via];
    return (datagrams === "usual") === (via === "usual") ? ["udp"] : ["stream"];
  }

  /** When a frame arrives that leaves at `now`; null: never. */
  arrival(
    now: number,
    { from, to, lane }: { from: number; to: number; lane: LaneName },
  ): number | null {
    if (this.isCut(from, to)) return null;
    if (lane === "udp" || this.#options.datagrams === null) {
      return this.#loses(to) ? null : now + this.latencyMs();
    }
    let at = now + this.latencyMs();
    for (let repeats = 0; this.#loses(to); repeats += 1) {
      if (repeats >= repeatsMax) return null;
      at += repeatMs * 2 ** repeats;
    }
    const pair = `${from}>${to}`;
    const inOrder = Math.max(at, this.#streamArrivals.get(pair) ?? 0);
    this.#streamArrivals.set(pair, inOrder);
    return inOrder;
  }

  #loses(to: number): boolean {
    const ingress = this.#ingressLoss.get(to) ?? 0;
    if (ingress > 0 && this.#random.float() < ingress) return true;
    return this.loss > 0 && this.#random.float() < this.loss;
  }
}
