/** Puts ended transcripts on two further peers, so that the log of a dead node can be read. */
import { Background } from "../base/background.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type LocalRunEngine } from "../config-engine/run-engine.ts";
import { type TranscriptCopies } from "../config-engine/transcript-copies.ts";

const copiesPerRun = 2;

export interface TranscriptSpreaderDeps {
  readonly runs: LocalRunEngine;
  readonly copies: TranscriptCopies;
  /** Tells the inventory who has copies of a run's transcript. */
  readonly record: (run: string, peers: readonly PeerId[]) => Promise<void>;
  readonly logger: Logger;
}

export class TranscriptSpreader implements Service {
  readonly name = "transcript-spreader";
  readonly #deps: TranscriptSpreaderDeps;
  readonly #background: Background;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: TranscriptSpreaderDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    const { runs, copies, record } = this.#deps;
    this.#unsubscribe = runs.onEnd(({ id }) => {
      this.#background.run(`transcript of ${id}`, async (signal) => {
        const holders = await copies.spread(id, copiesPerRun, signal);
        if (holders.length > 0) await record(id, holders);
      });
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#background.close();
  }
}
