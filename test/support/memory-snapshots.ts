/** SnapshotStore in memory, for tests and simulation. The shelf outlives the store, as a disk outlives a process. */
import { createHash } from "node:crypto";
import { type SnapshotMeta } from "../../src/consensus/core/types.ts";
import {
  type SnapshotPosition,
  type SnapshotSink,
  type SnapshotStore,
} from "../../src/consensus/driver/ports.ts";
import { ConsensusError } from "../../src/consensus/errors.ts";
import { metaFor, snapshotId } from "../../src/consensus/storage/snapshot-format.ts";

interface Stored {
  readonly meta: SnapshotMeta;
  readonly bytes: Buffer;
}

export class SnapshotShelf {
  complete: Stored[] = [];
  partial: { readonly id: string; bytes: Buffer } | null = null;
  /** The next `create` fails, as on a full disk. */
  full = false;

  get newest(): Stored | null {
    return [...this.complete].sort((a, b) => b.meta.index - a.meta.index)[0] ?? null;
  }

  add(stored: Stored): void {
    this.complete = [...this.complete.filter(({ meta }) => meta.id !== stored.meta.id), stored];
  }
}

const chunkBytes = 64 * 1024;

export class MemorySnapshots implements SnapshotStore {
  readonly #shelf: SnapshotShelf;
  /** What arrived whole waits for this before it is on the shelf, as for a disk that syncs. */
  beforePublish: Promise<void> = Promise.resolve();

  constructor(shelf: SnapshotShelf) {
    this.#shelf = shelf;
  }

  async create(at: SnapshotPosition, source: AsyncIterable<Uint8Array>): Promise<SnapshotMeta> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of source) {
        if (this.#shelf.full) throw new Error("no space left on device");
        chunks.push(Buffer.from(chunk));
      }
    } catch (cause) {
      throw new ConsensusError("SNAPSHOT_WRITE_FAILED", "The write failed.", {}, { cause });
    }
    const bytes = Buffer.concat(chunks);
    const sha256 = digest(bytes);
    const meta = metaFor(at, { payloadBytes: bytes.byteLength, sha256 });
    this.#shelf.add({ meta, bytes });
    return meta;
  }

  latest(): Promise<SnapshotMeta | null> {
    return Promise.resolve(this.#shelf.newest?.meta ?? null);
  }

  async *read(id: string, offset: number): AsyncGenerator<Uint8Array> {
    const found = this.#shelf.complete.find(({ meta }) => meta.id === id);
    if (found === undefined) throw new ConsensusError("SNAPSHOT_UNKNOWN", `No snapshot "${id}".`);
    for (let at = offset; at < found.bytes.byteLength; at += chunkBytes) {
      yield found.bytes.subarray(at, at + chunkBytes);
    }
  }

  receive(meta: SnapshotMeta): Promise<SnapshotSink> {
    if (meta.id !== snapshotId(meta.index, meta.term, meta.sha256)) {
      return Promise.reject(new ConsensusError("SNAPSHOT_CORRUPT", "The id names other content."));
    }
    const earlier = this.#shelf.partial?.id === meta.id ? this.#shelf.partial : null;
    const partial = earlier ?? { id: meta.id, bytes: Buffer.alloc(0) };
    this.#shelf.partial = partial;
    return Promise.resolve(
      new MemorySink(this.#shelf, { partial, meta, before: () => this.beforePublish }),
    );
  }

  prune(): Promise<void> {
    const newest = this.#shelf.newest;
    this.#shelf.complete = newest === null ? [] : [newest];
    return Promise.resolve();
  }

  retain(useful: (meta: SnapshotMeta) => boolean): Promise<void> {
    this.#shelf.complete = this.#shelf.complete.filter(({ meta }) => useful(meta));
    return Promise.resolve();
  }
}

interface Arriving {
  readonly partial: { bytes: Buffer };
  readonly meta: SnapshotMeta;
  readonly before: () => Promise<void>;
}

class MemorySink implements SnapshotSink {
  readonly #shelf: SnapshotShelf;
  readonly #arriving: Arriving;

  constructor(shelf: SnapshotShelf, arriving: Arriving) {
    this.#shelf = shelf;
    this.#arriving = arriving;
  }

  get offset(): number {
    return this.#arriving.partial.bytes.byteLength;
  }

  write(bytes: Uint8Array): Promise<void> {
    const { partial, meta } = this.#arriving;
    if (this.offset + bytes.byteLength > meta.sizeBytes) {
      this.#shelf.partial = null;
      return Promise.reject(new ConsensusError("SNAPSHOT_CORRUPT", "Longer than announced."));
    }
    partial.bytes = Buffer.concat([partial.bytes, bytes]);
    return Promise.resolve();
  }

  async finish(): Promise<void> {
    const { partial, meta, before } = this.#arriving;
    const { bytes } = partial;
    const fault =
      bytes.byteLength < meta.sizeBytes
        ? "incomplete"
        : digest(bytes) !== meta.sha256
          ? "wrong SHA-256"
          : null;
    if (fault !== "incomplete") this.#shelf.partial = null;
    if (fault !== null) throw new ConsensusError("SNAPSHOT_CORRUPT", fault);
    await before();
    this.#shelf.add({ meta, bytes });
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
