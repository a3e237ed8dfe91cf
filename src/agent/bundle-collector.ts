/** Removes bundles that no revision of the inventory names any more. */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type FileBundleStore } from "../config-engine/bundle-store.ts";
import { type InventoryView } from "../inventory/view.ts";

export interface BundleCollectorDeps {
  readonly view: InventoryView;
  readonly bundles: Pick<FileBundleStore, "collect">;
  readonly clock: Clock;
  readonly logger: Logger;
}

const periodMs = 3_600_000;

export class BundleCollector implements Service {
  readonly name = "bundle-collector";
  readonly #deps: BundleCollectorDeps;
  readonly #background: Background;

  constructor(deps: BundleCollectorDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    const { clock } = this.#deps;
    this.#background.run("collect bundles", async (signal) => {
      for (;;) {
        await delay(clock, periodMs, signal);
        await this.#collect();
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  async #collect(): Promise<void> {
    const { view, bundles, logger } = this.#deps;
    try {
      await bundles.collect(new Set(view.revisions().map((revision) => revision.bundle)));
    } catch (error) {
      logger.warn({ error: errorMessage(error) }, "unused bundles were not removed");
    }
  }
}
