/**
 * Tells the cluster that this agent's log was damaged and started over (`LogSalvaged`), and when it is whole again: an
 * agent that does not vote is one the cluster cannot count on, and its disk wants to be looked at.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type ConsensusStatus } from "../consensus/driver/api.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { conditionOf } from "../inventory/node-changes.ts";
import { type InventoryView } from "../inventory/view.ts";

export interface LogReporterDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly status: () => Pick<ConsensusStatus, "log">;
  readonly submit: (command: Command) => Promise<CommandResult>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const periodMs = 2000;
const shownLength = 500;

export class LogReporter implements Service {
  readonly name = "log-reporter";
  readonly #deps: LogReporterDeps;
  readonly #background: Background;
  /** What happened to the log at this start was told. */
  #told = false;

  constructor(deps: LogReporterDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("log reporter", async (signal) => {
      const { clock } = this.#deps;
      for (;;) {
        await this.#look();
        await delay(clock, untilBeat(clock, periodMs), signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** It is told that it was damaged, even when it is whole again by then. */
  async #look(): Promise<void> {
    const { self, view, status, submit, logger } = this.#deps;
    const node = view.nodeById(self);
    if (node === null) return;
    const { salvaged, trusted } = status().log;
    const isMarked = conditionOf(node, "LogSalvaged") !== null;
    const isNews = salvaged !== null && !this.#told;
    if (!isNews && !(isMarked && trusted)) return;
    try {
      const damage = isNews ? salvaged.slice(0, shownLength) : null;
      await submit({ type: "node.log", id: self, damage });
      if (isNews) this.#told = true;
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, "could not tell of the log yet");
    }
  }
}
