/** A log store that tells the observer which changes of lineage it is asked for and has made. */
import { type LogStore, type LogWrite } from "../../src/consensus/driver/ports.ts";
import { WrappedLog } from "../../src/consensus/storage/wrapped-log.ts";
import { type LineageWrite } from "./node-view.ts";

export class ObservedLog extends WrappedLog {
  protected readonly inner: LogStore;
  readonly #onWrite: (write: LogWrite) => LineageWrite | null;

  constructor(log: LogStore, onWrite: (write: LogWrite) => LineageWrite | null) {
    super();
    this.inner = log;
    this.#onWrite = onWrite;
  }

  override append(write: LogWrite): Promise<void> {
    if (write.lineage === undefined) return super.append(write);
    const made = this.#onWrite(write);
    return super.append(write).then(() => {
      if (made !== null) made.done = true;
    });
  }
}
