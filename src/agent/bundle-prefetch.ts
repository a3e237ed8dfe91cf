/**
 * Brings the bundle of the revision in force to this machine before anybody needs it, a little later on each
 * agent, so that a new revision does not mean all at once at the one that packed it.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";

export interface BundlePrefetchDeps {
  readonly stateMachine: InventoryStateMachine;
  readonly ensureBundle: (
    bundle: { readonly sha256: string; readonly sizeBytes: number },
    signal: AbortSignal,
  ) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

const jitterMs = 2000;
const retryMs = 10_000;

export class BundlePrefetch implements Service {
  readonly name = "bundle-prefetch";
  readonly #deps: BundlePrefetchDeps;
  readonly #background: Background;
  #wanted: string | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: BundlePrefetchDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#unsubscribe = this.#deps.stateMachine.onApplied(() => this.#look());
    this.#look();
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#background.close();
  }

  #look(): void {
    const { current } = this.#deps.stateMachine.view.config();
    if (current === null || current === this.#wanted) return;
    this.#wanted = current;
    this.#background.run("prefetch", (signal) => this.#fetch(current, signal));
  }

  async #fetch(commit: string, signal: AbortSignal): Promise<void> {
    const { stateMachine, ensureBundle, clock, logger, random } = this.#deps;
    await delay(clock, random.below(jitterMs), signal);
    while (this.#wanted === commit) {
      const revision = stateMachine.view.revision(commit);
      if (revision === null) return;
      try {
        await ensureBundle({ sha256: revision.bundle, sizeBytes: revision.bundleBytes }, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        logger.debug({ commit, error: errorMessage(error) }, "bundle not fetched yet");
        await delay(clock, retryMs, signal);
      }
    }
  }
}
