/**
 * The log of an agent that goes on after damage to its disk: opened, and started over from its sound part if need be.
 */
import { type Clock } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { type Entry, type HardState, type Index, type SnapshotMeta } from "../core/types.ts";
import {
  type LogGenesis,
  type LogOpening,
  type LogStore,
  type LogWrite,
  type SnapshotStore,
} from "../driver/ports.ts";
import { isOfHistory } from "../lineage/generation.ts";
import { type LevelLogOptions, LevelLogStore } from "./level-log.ts";
import { finishExchange, salvage } from "./salvage.ts";

export class SalvagingLogStore implements LogStore {
  readonly #options: LevelLogOptions;
  readonly #deps: {
    readonly clock: Clock;
    readonly snapshots: SnapshotStore;
    readonly logger: Logger;
  };
  #log: LevelLogStore;

  constructor(
    options: LevelLogOptions,
    dependencies: {
      readonly clock: Clock;
      readonly snapshots: SnapshotStore;
      readonly logger: Logger;
    },
  ) {
    this.#options = options;
    this.#deps = dependencies;
    this.#log = new LevelLogStore(options, dependencies);
  }

  /** Never `corrupt` but where nothing certain is known: then it throws LOG_CORRUPT. */
  async open(genesis: LogGenesis): Promise<LogOpening> {
    await finishExchange(this.#options.directory);
    const opening = await this.#log.open(genesis);
    if (opening.health !== "corrupt") return opening;
    const { snapshots, clock, logger } = this.#deps;
    logger.error(
      { detail: opening.detail },
      "the log is damaged; starting over from its sound part",
    );
    await snapshots.retain((meta) => isOfHistory(meta, opening.lineage));
    const snapshot = await snapshots.latest();
    const input = { options: this.#options, clock, genesis, snapshot };
    const { last, voteFrom } = await salvage(this.#log, opening, input);
    logger.error(
      { last, missing: Math.max(0, voteFrom.index - last), aside: this.#options.directory },
      "this agent votes again once the others have given it what is missing; the damaged files are beside the log as damaged-N",
    );
    this.#log = new LevelLogStore(this.#options, this.#deps);
    return { ...(await this.#log.open(genesis)), health: "salvaged", detail: opening.detail };
  }

  append(op: LogWrite): Promise<void> {
    return this.#log.append(op);
  }

  chainAt(index: Index): Promise<string | null> {
    return this.#log.chainAt(index);
  }

  read(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    return this.#log.read(from, maxBytes);
  }

  compact(first: Index): Promise<void> {
    return this.#log.compact(first);
  }

  reset(meta: SnapshotMeta, hardState: HardState): Promise<void> {
    return this.#log.reset(meta, hardState);
  }

  sizeBytes(): number {
    return this.#log.sizeBytes();
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
