/**
 * The log of an agent that goes on after damage to its disk: opened, and started over from its sound part if need be.
 */
import { type Clock } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { type LogGenesis, type LogOpening, type SnapshotStore } from "../driver/ports.ts";
import { isOfHistory } from "../lineage/generation.ts";
import { ConsensusError } from "../errors.ts";
import { type LevelLogOptions, LevelLogStore } from "./level-log.ts";
import { finishExchange, knownEnd, salvage } from "./salvage.ts";
import { contentOf, type FolderContent } from "./snapshot-folder.ts";
import { WrappedLog } from "./wrapped-log.ts";

export interface SalvagingDependencies {
  readonly clock: Clock;
  readonly snapshots: SnapshotStore & { readonly directory: string };
  readonly logger: Logger;
}

export class SalvagingLogStore extends WrappedLog {
  readonly #options: LevelLogOptions;
  readonly #deps: SalvagingDependencies;
  protected inner: LevelLogStore;
  /** Opened before by this process: what it read then is in memory, and is not read again. */
  #isRead = false;

  constructor(options: LevelLogOptions, dependencies: SalvagingDependencies) {
    super();
    this.#options = options;
    this.#deps = dependencies;
    this.inner = new LevelLogStore(options, dependencies);
  }

  /** Never `corrupt` but where nothing certain is known: then it throws LOG_CORRUPT. */
  override async open(genesis: LogGenesis): Promise<LogOpening> {
    await finishExchange(this.#options.directory);
    const found = await this.inner.open(genesis);
    const opening = this.#isRead ? found : await this.#withSnapshot(found);
    this.#isRead = true;
    if (opening.health !== "corrupt") return opening;
    const { snapshots, clock, logger } = this.#deps;
    // Throws before anything is removed: with its log restored, the agent may need the snapshots that there are.
    const voteFrom = await knownEnd(opening, this.#options.directory);
    await snapshots.retain((meta) => isOfHistory(meta, opening.lineage));
    const snapshot = await snapshots.latest();
    const input = { options: this.#options, clock, genesis, snapshot, voteFrom };
    const last = await salvage(this.inner, opening, input);
    logger.error(
      { detail: opening.detail },
      "the log is damaged; starting over from its sound part",
    );
    logger.error(
      { last, missing: Math.max(0, voteFrom.index - last), aside: this.#options.directory },
      "this agent votes again once the others have given it what is missing; the damaged files are beside the log as damaged-N",
    );
    this.inner = new LevelLogStore(this.#options, this.#deps);
    return { ...(await this.inner.open(genesis)), health: "salvaged", detail: opening.detail };
  }

  /**
   * A log whose beginning was compacted is worth as much as the snapshot that holds it.
   * @throws ConsensusError LOG_OPEN_FAILED when that seems to be there, and out of sight: what is started over then
   *   would be out of sight itself as soon as the volume is mounted again.
   */
  async #withSnapshot(opening: LogOpening): Promise<LogOpening> {
    const { firstIndex } = opening.recovered;
    const { snapshots } = this.#deps;
    const isDamaged = opening.health === "corrupt";
    let content: FolderContent;
    try {
      const held = (await snapshots.latest())?.index ?? 0;
      if (held > 0 && isDamaged) return opening;
      if (held >= firstIndex - 1 && !isDamaged) return opening;
      content = await contentOf(snapshots.directory);
      if (content === "empty") throw outOfSight(opening, snapshots.directory);
    } catch (error) {
      await this.inner.close();
      throw error;
    }
    if (isDamaged) return opening;
    const lost =
      content === "gone" ? "the folder of snapshots is gone, which held" : "no snapshot holds";
    const detail = `it begins at entry ${firstIndex}, and ${lost} what came before`;
    return { ...opening, health: "corrupt", detail };
  }
}

function outOfSight({ health, detail, recovered }: LogOpening, directory: string): ConsensusError {
  const what =
    health === "corrupt"
      ? `is damaged: ${detail}`
      : `goes on from a snapshot, at entry ${recovered.firstIndex}`;
  const message = `The log ${what}. And the folder "${directory}", where snapshots are kept, is empty: is its volume not mounted? No entry of the log was changed. Mount it and start again. If its content is lost, make any file in it: then this agent starts over from what is sound of its log, and gets the rest from the others.`;
  return new ConsensusError("LOG_OPEN_FAILED", message, { directory });
}
