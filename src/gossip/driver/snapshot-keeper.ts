/** Saves the snapshot every few seconds when it changed. A failed save is logged and tried again. */
import { Background } from "../../base/background.ts";
import { type Clock, delay, untilBeat } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { parseSnapshot, type Snapshot, snapshotText } from "./snapshot.ts";
import { type SnapshotFile } from "./snapshot-file.ts";

export interface SnapshotKeeperDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly file: SnapshotFile;
  readonly current: () => Snapshot;
}

const savePeriodMs = 5000;

export class SnapshotKeeper {
  readonly #deps: SnapshotKeeperDependencies;
  readonly #background: Background;
  #saved = "";

  constructor(dependencies: SnapshotKeeperDependencies) {
    this.#deps = dependencies;
    this.#background = new Background(dependencies.logger);
  }

  /** What an earlier life left; null when there is nothing, or nothing readable. */
  async load(): Promise<Snapshot | null> {
    const { file, logger } = this.#deps;
    try {
      const text = await file.load();
      const snapshot = text === null ? null : parseSnapshot(text);
      if (text !== null && snapshot === null) {
        logger.warn({}, "snapshot of known peers is not readable, starting without it");
      }
      return snapshot;
    } catch (error) {
      logger.warn({ error: errorMessage(error) }, "cannot read the snapshot of known peers");
      return null;
    }
  }

  start(): void {
    this.#background.run("save snapshots", async (signal) => {
      // One after the other, however slow the disk is: two would write into one file.
      for (;;) {
        const { clock } = this.#deps;
        await delay(clock, untilBeat(clock, savePeriodMs), signal);
        await this.#save();
      }
    });
  }

  async stop(): Promise<void> {
    await this.#background.close();
    await this.#save();
  }

  async #save(): Promise<void> {
    const text = snapshotText(this.#deps.current());
    if (text === this.#saved) return;
    try {
      await this.#deps.file.save(text);
      this.#saved = text;
    } catch (error) {
      this.#deps.logger.warn({ error: errorMessage(error) }, "cannot save the snapshot of peers");
    }
  }
}
