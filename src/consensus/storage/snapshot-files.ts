/**
 * Snapshots as files in one directory. Complete ones are `snap-<id>`, one that is being made is `new-…`, one that
 * is being received is `part-<id>` and survives a restart, so that a broken transfer is resumed, not repeated.
 * An empty file marks the directory.
 */
import path from "node:path";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type SnapshotMeta } from "../core/types.ts";
import { type SnapshotPosition, type SnapshotSink, type SnapshotStore } from "../driver/ports.ts";
import { ConsensusError } from "../errors.ts";
import { type Files, nodeFiles } from "./files.ts";
import { isSafeId, metaFor, snapshotId } from "./snapshot-format.ts";
import { describeSnapshot, readSnapshot, verifySnapshot } from "./snapshot-reader.ts";
import { type SnapshotPlace, SnapshotWriter } from "./snapshot-writer.ts";

const completePrefix = "snap-";
const partPrefix = "part-";
const newPrefix = "new-";
/** In the folder as long as that is the one that snapshots were written to (snapshot-folder.ts). */
const mark = ".kept-here";

export interface SnapshotFilesOptions {
  readonly directory: string;
  /** Larger ones are neither taken from peers nor made. */
  readonly maxBytes: number;
}

export const defaultMaxSnapshotBytes = 1024 * 1024 * 1024;

export class SnapshotFiles implements SnapshotStore {
  readonly #options: SnapshotFilesOptions;
  readonly #logger: Logger;
  readonly #files: Files;
  #newest: SnapshotMeta | null = null;
  #scanned = false;
  #made = 0;

  constructor(
    options: SnapshotFilesOptions,
    dependencies: { readonly logger: Logger; readonly files?: Files },
  ) {
    this.#options = options;
    this.#logger = dependencies.logger;
    this.#files = dependencies.files ?? nodeFiles;
  }

  get directory(): string {
    return this.#options.directory;
  }

  async create(at: SnapshotPosition, bytes: AsyncIterable<Uint8Array>): Promise<SnapshotMeta> {
    const { directory, maxBytes } = this.#options;
    this.#made += 1;
    const place = this.#place(`${newPrefix}${at.index}-${this.#made}`);
    let writer: SnapshotWriter | null = null;
    try {
      await this.#makeHome();
      writer = await SnapshotWriter.create(place, at);
      for await (const chunk of bytes) {
        await writer.write(chunk);
        if (writer.payloadBytes > maxBytes) throw this.#tooLarge(writer.payloadBytes);
      }
      const sha256 = writer.digest();
      const meta = metaFor(at, { payloadBytes: writer.payloadBytes, sha256 });
      await writer.publish(sha256, completePrefix + meta.id);
      this.#publish(meta);
      return meta;
    } catch (cause) {
      await writer?.discard();
      const message = `Cannot write a snapshot in "${directory}": ${errorMessage(cause)}. The earlier one is intact; free some space.`;
      throw new ConsensusError("SNAPSHOT_WRITE_FAILED", message, { index: at.index }, { cause });
    }
  }

  /** The newest complete, undamaged snapshot. Reads every byte of it the first time. */
  async latest(): Promise<SnapshotMeta | null> {
    if (!this.#scanned) {
      for (const name of await this.#names(newPrefix)) await this.#files.remove(this.#path(name));
      const names = await this.#names(completePrefix);
      for (const name of names.sort((a, b) => indexOf(b) - indexOf(a))) {
        const meta = await verifySnapshot(this.#files, this.#path(name));
        if (meta !== null) {
          // The process before may have ended between rename and sync: a power cut would take the name, and by then
          // the log may begin behind this snapshot.
          await this.#makeHome();
          this.#publish(meta);
          break;
        }
        this.#logger.error({ file: name }, "snapshot is damaged; an older one is tried");
      }
      this.#scanned = true;
    }
    return this.#newest;
  }

  async *read(id: string, offset: number): AsyncGenerator<Uint8Array> {
    const known = isSafeId(id) && (await this.#names(completePrefix)).includes(completePrefix + id);
    if (!known) throw new ConsensusError("SNAPSHOT_UNKNOWN", `There is no snapshot "${id}" here.`);
    yield* readSnapshot(this.#files, this.#path(completePrefix + id), offset);
  }

  async receive(meta: SnapshotMeta): Promise<SnapshotSink> {
    const { maxBytes } = this.#options;
    if (meta.id !== snapshotId(meta.index, meta.term, meta.sha256)) {
      const message = "A peer offers a snapshot whose id does not name its content.";
      throw new ConsensusError("SNAPSHOT_CORRUPT", message, { index: meta.index });
    }
    if (meta.sizeBytes > maxBytes) throw this.#tooLarge(meta.sizeBytes);
    await this.#makeHome();
    const own = partPrefix + meta.id;
    for (const name of await this.#names(partPrefix)) {
      if (name !== own) await this.#files.remove(this.#path(name));
    }
    const writer = await SnapshotWriter.resume(this.#place(own), meta, meta.sizeBytes);
    return new FileSink(writer, meta, () => this.#publish(meta));
  }

  async prune(): Promise<void> {
    const newest = await this.latest();
    if (newest === null) return;
    for (const name of await this.#names(completePrefix)) {
      // A newer one than the newest is being published at this moment: the log may soon begin behind it.
      if (indexOf(name) < newest.index) await this.#files.remove(this.#path(name));
    }
  }

  async retain(useful: (meta: SnapshotMeta) => boolean): Promise<void> {
    for (const name of await this.#names(completePrefix)) {
      const meta = await describeSnapshot(this.#files, this.#path(name));
      if (meta === null || useful(meta)) continue;
      this.#logger.warn({ file: name }, "removed a snapshot of a history that was given up");
      await this.#files.remove(this.#path(name));
      this.#scanned = false;
      this.#newest = null;
    }
  }

  /**
   * The folder with its mark, durably: a power cut that takes the folder's name takes all that is in it. Looked at each
   * time, as it may be removed while the agent runs.
   */
  async #makeHome(): Promise<void> {
    const { directory } = this.#options;
    await this.#files.makeDirectory(directory);
    await this.#files.syncDirectory(path.dirname(directory));
    await (await this.#files.open(this.#path(mark), "a+")).close();
    await this.#files.syncDirectory(directory);
  }

  #publish(meta: SnapshotMeta): void {
    if (this.#newest === null || meta.index >= this.#newest.index) this.#newest = meta;
  }

  async #names(prefix: string): Promise<string[]> {
    const names = await this.#files.names(this.#options.directory);
    return names.filter((name) => name.startsWith(prefix));
  }

  #place(name: string): SnapshotPlace {
    return { files: this.#files, file: this.#path(name) };
  }

  #path(name: string): string {
    return path.join(this.#options.directory, name);
  }

  #tooLarge(bytes: number): ConsensusError {
    const { maxBytes } = this.#options;
    const message = `A snapshot of ${bytes} bytes is larger than the limit of ${maxBytes}.`;
    return new ConsensusError("TOO_LARGE", message, { bytes, maxBytes });
  }
}

class FileSink implements SnapshotSink {
  readonly #writer: SnapshotWriter;
  readonly #meta: SnapshotMeta;
  readonly #published: () => void;

  constructor(writer: SnapshotWriter, meta: SnapshotMeta, published: () => void) {
    this.#writer = writer;
    this.#meta = meta;
    this.#published = published;
  }

  get offset(): number {
    return this.#writer.payloadBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.offset + bytes.byteLength > this.#meta.sizeBytes) {
      await this.#writer.discard();
      throw this.#corrupt("it is longer than announced");
    }
    await this.#writer.write(bytes);
  }

  async finish(): Promise<void> {
    const { sizeBytes, sha256, id } = this.#meta;
    const complete = this.offset === sizeBytes;
    const digest = this.#writer.digest();
    if (!complete) {
      await this.#writer.pause();
      throw this.#corrupt(`only ${this.offset} of ${sizeBytes} bytes arrived`);
    }
    if (digest !== sha256) {
      await this.#writer.discard();
      throw this.#corrupt("its SHA-256 is wrong");
    }
    await this.#writer.publish(sha256, completePrefix + id);
    this.#published();
  }

  /** Keeps what has arrived, for the next attempt. */
  abort(): Promise<void> {
    return this.#writer.pause();
  }

  #corrupt(detail: string): ConsensusError {
    const message = `Snapshot "${this.#meta.id}" was not received well: ${detail}.`;
    return new ConsensusError("SNAPSHOT_CORRUPT", message, { id: this.#meta.id });
  }
}

function indexOf(name: string): number {
  const [index] = name.slice(completePrefix.length).split("-");
  return Number(index) || 0;
}
