/**
 * Brings the bundle of the revision in force to this node before anybody needs it. Each agent begins after a
 * random delay, so that those who come later find holders among those who came first, and tries again, ever
 * more slowly, while nobody has it.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type BundleFetcher } from "./bundle-fetcher.ts";

export interface PrefetcherDependencies {
  readonly fetcher: Pick<BundleFetcher, "ensureBundle">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const firstRetryMs = 2000;
const longestRetryMs = 5 * 60_000;

export class BundlePrefetcher implements Service {
  readonly name = "bundle-prefetcher";
  readonly #jitterMs: number;
  readonly #dependencies: PrefetcherDependencies;
  readonly #background: Background;
  #current: { readonly sha256: string; readonly controller: AbortController } | null = null;

  constructor(options: { readonly jitterMs: number }, dependencies: PrefetcherDependencies) {
    this.#jitterMs = options.jitterMs;
    this.#dependencies = dependencies;
    this.#background = new Background(dependencies.logger);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#current?.controller.abort();
    await this.#background.close();
  }

  /** The revision in force has this bundle. A newer one ends the work for the one before. */
  want(sha256: string, sizeBytes: number): void {
    if (this.#current?.sha256 === sha256) return;
    this.#current?.controller.abort();
    const controller = new AbortController();
    this.#current = { sha256, controller };
    this.#background.run("prefetch a bundle", async (closing) => {
      const signal = AbortSignal.any([closing, controller.signal]);
      await this.#fetch(sha256, sizeBytes, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    });
  }

  async #fetch(sha256: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    const { clock, random, fetcher, logger } = this.#dependencies;
    await delay(clock, random.below(this.#jitterMs + 1), signal);
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      try {
        return await fetcher.ensureBundle(sha256, sizeBytes, signal);
      } catch (error) {
        signal.throwIfAborted();
        logger.debug({ bundle: sha256, error: errorMessage(error) }, "a bundle cannot be had yet");
      }
      await delay(clock, retryMs / 2 + random.below(retryMs), signal);
    }
  }
}
