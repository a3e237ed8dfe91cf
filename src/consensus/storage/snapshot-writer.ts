/**
 * Writes one snapshot file under a temporary name and gives it its final name only when every byte is on disk
 * and has the right SHA-256. Whatever goes wrong before, earlier snapshots are untouched.
 */
import { createHash, type Hash } from "node:crypto";
import path from "node:path";
import { type SnapshotPosition } from "../driver/ports.ts";
import { type Files, type OpenFile } from "./files.ts";
import { encodeHeader, encodeTrailer } from "./snapshot-format.ts";

const rereadBytes = 256 * 1024;

/** Where a snapshot is written. */
export interface SnapshotPlace {
  readonly files: Files;
  readonly file: string;
}

export class SnapshotWriter {
  readonly #place: SnapshotPlace;
  readonly #handle: OpenFile;
  readonly #hash: Hash;
  readonly #headerBytes: number;
  #payloadBytes: number;

  private constructor(
    place: SnapshotPlace,
    handle: OpenFile,
    start: { readonly hash: Hash; readonly headerBytes: number; readonly payloadBytes: number },
  ) {
    this.#place = place;
    this.#handle = handle;
    this.#hash = start.hash;
    this.#headerBytes = start.headerBytes;
    this.#payloadBytes = start.payloadBytes;
  }

  /** Starts `file` anew. */
  static async create(place: SnapshotPlace, position: SnapshotPosition): Promise<SnapshotWriter> {
    const handle = await place.files.open(place.file, "w+");
    return SnapshotWriter.#begin(place, handle, position);
  }

  /** Goes on with `file` when it is the beginning of the same snapshot, else starts it anew. */
  static async resume(
    place: SnapshotPlace,
    position: SnapshotPosition,
    maxPayloadBytes: number,
  ): Promise<SnapshotWriter> {
    const { files, file } = place;
    const handle = await files.open(file, "a+").then(async (created) => {
      await created.close();
      return files.open(file, "r+");
    });
    const header = encodeHeader(position);
    const found = Buffer.alloc(header.byteLength);
    const { bytesRead } = await handle.read(found, 0, header.byteLength, 0);
    const same = bytesRead === header.byteLength && found.equals(header);
    if (!same) return SnapshotWriter.#begin(place, handle, position);
    const hash = createHash("sha256");
    const headerBytes = header.byteLength;
    const payloadBytes = await rehash(handle, hash, { headerBytes, maxPayloadBytes });
    return new SnapshotWriter(place, handle, { hash, headerBytes, payloadBytes });
  }

  static async #begin(
    place: SnapshotPlace,
    handle: OpenFile,
    position: SnapshotPosition,
  ): Promise<SnapshotWriter> {
    const header = encodeHeader(position);
    try {
      await handle.truncate(0);
      await writeAll(handle, header, 0);
    } catch (error) {
      await handle.close();
      throw error;
    }
    const start = { hash: createHash("sha256"), headerBytes: header.byteLength, payloadBytes: 0 };
    return new SnapshotWriter(place, handle, start);
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes, this.#headerBytes + this.#payloadBytes);
    this.#hash.update(bytes);
    this.#payloadBytes += bytes.byteLength;
  }

  /** Digest of all that was written; nothing may be written afterwards. */
  digest(): string {
    return this.#hash.digest("hex");
  }

  /** Makes it a snapshot: trailer, fsync, rename, fsync of the directory. */
  async publish(sha256: string, name: string): Promise<void> {
    const trailer = encodeTrailer(this.#payloadBytes, sha256);
    const end = this.#headerBytes + this.#payloadBytes;
    await writeAll(this.#handle, trailer, end);
    await this.#handle.truncate(end + trailer.byteLength);
    await this.#handle.sync();
    await this.#handle.close();
    const { files, file } = this.#place;
    const directory = path.dirname(file);
    await files.rename(file, path.join(directory, name));
    await files.syncDirectory(directory);
  }

  /** Closes; the file stays, for a later `resume`. */
  async pause(): Promise<void> {
    await this.#handle.close().catch(() => {
      // Closed already by a publish that failed later.
    });
  }

  async discard(): Promise<void> {
    await this.pause();
    await this.#place.files.remove(this.#place.file);
  }
}

/** A write to a file may be short when the disk is nearly full. */
async function writeAll(handle: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const rest = bytes.byteLength - done;
    const { bytesWritten } = await handle.write(bytes, done, rest, position + done);
    done += bytesWritten;
  }
}

async function rehash(
  handle: OpenFile,
  hash: Hash,
  limits: { readonly headerBytes: number; readonly maxPayloadBytes: number },
): Promise<number> {
  const block = Buffer.alloc(rereadBytes);
  let done = 0;
  while (done < limits.maxPayloadBytes) {
    const want = Math.min(block.byteLength, limits.maxPayloadBytes - done);
    const { bytesRead } = await handle.read(block, 0, want, limits.headerBytes + done);
    if (bytesRead === 0) break;
    hash.update(block.subarray(0, bytesRead));
    done += bytesRead;
  }
  return done;
}
