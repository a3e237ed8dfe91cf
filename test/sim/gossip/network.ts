/** A seeded network: delay, loss per frame, loss into or out of single nodes, partitions, one-way or not. */
import { type Random } from "../../../src/base/random.ts";

export interface NetworkOptions {
  /** One way. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
  /** Share of frames lost anywhere. */
  readonly loss: number;
}

export const lanNetwork: NetworkOptions = { latencyMinMs: 0.15, latencyMaxMs: 0.5, loss: 0 };

export class Network {
  loss: number;
  readonly #options: NetworkOptions;
  readonly #random: Random;
  readonly #ingressLoss = new Map<number, number>();
  #groupOf: ((ix: number) => number) | null = null;
  readonly #oneWay = new Set<string>();

  constructor(options: NetworkOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.loss = options.loss;
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

  drops(from: number, to: number): boolean {
    if (this.isCut(from, to)) return true;
    const ingress = this.#ingressLoss.get(to) ?? 0;
    if (ingress > 0 && this.#random.float() < ingress) return true;
    return this.loss > 0 && this.#random.float() < this.loss;
  }
}
