import { type Logger } from "./logger.ts";
import { abortReason } from "./clock.ts";
import { errorMessage } from "./errors.ts";

/**
 * Owner of promises nobody awaits. A task gets a signal that aborts at `close`; its failure is logged, never
 * lost; `close` waits for all of them.
 */
export class Background {
  readonly #tasks = new Set<Promise<void>>();
  readonly #controller = new AbortController();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get size(): number {
    return this.#tasks.size;
  }

  /** Runs `task` and owns it. `name` appears in the log when it fails. */
  run(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.#controller.signal.aborted) return;
    const owned = this.#guard(name, task);
    this.#tasks.add(owned);
    void owned.finally(() => this.#tasks.delete(owned));
  }

  async close(): Promise<void> {
    this.#controller.abort(new DOMException("Stopped", "AbortError"));
    await Promise.all(this.#tasks);
  }

  async #guard(name: string, task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.#controller.signal);
    } catch (error) {
      if (this.#controller.signal.aborted && error === abortReason(this.#controller.signal)) return;
      this.#logger.warn({ task: name, error: errorMessage(error) }, "background task failed");
    }
  }
}
