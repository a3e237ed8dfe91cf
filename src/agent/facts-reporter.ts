/** Keeps this node's facts in the inventory current: written at start and when they changed, never otherwise. */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { canonicalJson } from "../base/json.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type Facts } from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";

export interface FactsReporterDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly gather: () => Promise<Facts>;
  readonly address: () => string;
  readonly submit: (command: Command) => Promise<CommandResult>;
}

const periodMs = 300_000;
const retryMs = 500;

export class FactsReporter implements Service {
  readonly name = "facts";
  readonly #deps: FactsReporterDeps;
  readonly #background: Background;

  constructor(deps: FactsReporterDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("facts", async (signal) => {
      while (!signal.aborted) {
        const isCurrent = await this.#report();
        await delay(this.#deps.clock, isCurrent ? periodMs : retryMs, signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** True when the inventory has what is so; false to try again soon. */
  async #report(): Promise<boolean> {
    const { self, view, submit, logger } = this.#deps;
    const node = view.nodeById(self);
    if (node === null) return false;
    const facts = await this.#deps.gather();
    const address = this.#deps.address();
    const isKnown = node.facts !== null && canonicalJson(node.facts) === canonicalJson(facts);
    if (isKnown && node.address === address) return true;
    try {
      const result = await submit({ type: "node.facts", id: self, facts, address });
      if (!result.ok) logger.warn({ code: result.code, reason: result.message }, "facts refused");
      return true;
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, "facts not written yet");
      return false;
    }
  }
}
