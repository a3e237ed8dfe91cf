/**
 * What members' processes hold while they are loaded: asked once a second, and of what the collector may find garbage
 * the least is kept of each window, which is what a collection left.
 */
import { setTimeout as pause } from "node:timers/promises";
import { sumOfMetric } from "./membership/metric-text.ts";
import { type BenchAgent } from "./muster.ts";

export interface Held {
  readonly rssMib: number;
  readonly heapMib: number;
  readonly buffersMib: number;
}

const everyMs = 1000;
const nothing: Held = { rssMib: Infinity, heapMib: Infinity, buffersMib: Infinity };

export class MemorySampler implements AsyncDisposable {
  readonly #members: readonly BenchAgent[];
  readonly #least: Held[];
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;

  constructor(members: readonly BenchAgent[]) {
    this.#members = members;
    this.#least = members.map(() => nothing);
    this.#loop = this.#run();
  }

  /** The least of each member since the last call. */
  async take(): Promise<readonly Held[]> {
    await this.#sample();
    const taken = [...this.#least];
    this.#least.fill(nothing);
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#sample();
      await pause(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #sample(): Promise<void> {
    for (const [i, { agent }] of this.#members.entries()) {
      const { text } = await agent.api("GET", "/metrics");
      const mib = (name: string): number =>
        sumOfMetric(text, `muster_process_${name}_bytes`) / 2 ** 20;
      const least = this.#least[i] ?? nothing;
      this.#least[i] = {
        rssMib: Math.min(least.rssMib, mib("resident_memory")),
        heapMib: Math.min(least.heapMib, mib("heap_used")),
        buffersMib: Math.min(least.buffersMib, mib("external")),
      };
    }
  }
}
