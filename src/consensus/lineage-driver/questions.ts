/** Questions to other agents that are under way, each of them once. One that comes to nothing is worth a debug line. */
import { type Background } from "../../base/background.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";

export class Questions {
  readonly #background: Background;
  readonly #logger: Logger;
  readonly #underWay = new Set<string>();

  constructor(background: Background, logger: Logger) {
    this.#background = background;
    this.#logger = logger;
  }

  /** @param key names the question, and whom it goes to. */
  ask(key: string, ask: () => Promise<void>): void {
    if (this.#underWay.has(key)) return;
    this.#underWay.add(key);
    this.#background.run(key, async () => {
      try {
        await ask();
      } catch (error) {
        this.#logger.debug({ asked: key, error: errorMessage(error) }, "no answer");
      } finally {
        this.#underWay.delete(key);
      }
    });
  }
}
