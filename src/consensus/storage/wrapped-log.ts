/** A log store in front of another one: what a subclass does not do differently, the other does. */
import { type Entry, type HardState, type Index, type SnapshotMeta } from "../core/types.ts";
import { type LogGenesis, type LogOpening, type LogStore, type LogWrite } from "../driver/ports.ts";

export abstract class WrappedLog implements LogStore {
  /** The one behind it, which may be another one after an open. */
  protected abstract readonly inner: LogStore;

  open(genesis: LogGenesis): Promise<LogOpening> {
    return this.inner.open(genesis);
  }

  append(write: LogWrite): Promise<void> {
    return this.inner.append(write);
  }

  chainAt(index: Index): Promise<string | null> {
    return this.inner.chainAt(index);
  }

  read(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    return this.inner.read(from, maxBytes);
  }

  compact(first: Index): Promise<void> {
    return this.inner.compact(first);
  }

  reset(meta: SnapshotMeta, hardState: HardState): Promise<void> {
    return this.inner.reset(meta, hardState);
  }

  sizeBytes(): number {
    return this.inner.sizeBytes();
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
