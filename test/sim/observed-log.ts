/** A log store that tells the observer which changes of lineage it is asked for and has made. */
import {
  type Entry,
  type HardState,
  type Index,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import {
  type LogGenesis,
  type LogOpening,
  type LogStore,
  type LogWrite,
} from "../../src/consensus/driver/ports.ts";
import { type LineageWrite } from "./node-view.ts";

export class ObservedLog implements LogStore {
  readonly #log: LogStore;
  readonly #onWrite: (write: LogWrite) => LineageWrite | null;

  constructor(log: LogStore, onWrite: (write: LogWrite) => LineageWrite | null) {
    this.#log = log;
    this.#onWrite = onWrite;
  }

  open(genesis: LogGenesis): Promise<LogOpening> {
    return this.#log.open(genesis);
  }

  append(write: LogWrite): Promise<void> {
    if (write.lineage === undefined) return this.#log.append(write);
    const made = this.#onWrite(write);
    return this.#log.append(write).then(() => {
      if (made !== null) made.done = true;
    });
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
