/**
 * A file that is filled chunk by chunk, in any order, and knows across restarts which chunks it has. The list of
 * chunks is written after the chunk and without syncing: a wrong entry after a crash only costs a failed hash.
 */
import { readFileSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";

export interface ChunkLayout {
  readonly sizeBytes: number;
  readonly chunkBytes: number;
}

export class ChunkFile {
  readonly #path: string;
  readonly #layout: ChunkLayout;
  readonly #data: FileHandle;
  readonly #list: FileHandle;
  readonly #have: Set<number>;

  private constructor(
    file: { readonly path: string; readonly layout: ChunkLayout; readonly have: Set<number> },
    data: FileHandle,
    list: FileHandle,
  ) {
    this.#path = file.path;
    this.#layout = file.layout;
    this.#have = file.have;
    this.#data = data;
    this.#list = list;
  }

  static async open(path: string, layout: ChunkLayout): Promise<ChunkFile> {
    const have = readList(`${path}.chunks`, Math.ceil(layout.sizeBytes / layout.chunkBytes));
    const data = await open(path, have.size === 0 ? "w+" : "r+", 0o600).catch(async () => {
      have.clear(); // The list without its data.
      return await open(path, "w+", 0o600);
    });
    const list = await open(`${path}.chunks`, have.size === 0 ? "w" : "a", 0o600);
    return new ChunkFile({ path, layout, have }, data, list);
  }

  missing(): number[] {
    const count = Math.ceil(this.#layout.sizeBytes / this.#layout.chunkBytes);
    return Array.from({ length: count }, (_, chunk) => chunk).filter(
      (chunk) => !this.#have.has(chunk),
    );
  }

  place(chunk: number): { readonly offset: number; readonly bytes: number } {
    const offset = chunk * this.#layout.chunkBytes;
    return { offset, bytes: Math.min(this.#layout.chunkBytes, this.#layout.sizeBytes - offset) };
  }

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    const { offset } = this.place(chunk);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#data.write(bytes, at, bytes.length - at, offset + at);
      at += bytesWritten;
    }
    await this.#list.write(`${chunk}\n`);
    this.#have.add(chunk);
  }

  async *contents(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let offset = 0; offset < this.#layout.sizeBytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(1 << 20, this.#layout.sizeBytes - offset));
      const { bytesRead } = await this.#data.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      offset += bytesRead;
    }
  }

  /** Every chunk has to be written again. */
  forgetAll(): void {
    this.#have.clear();
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    await rm(`${this.#path}.chunks`, { force: true });
  }

  async close(): Promise<void> {
    if (this.#have.size === 0) await this.#list.truncate(0);
    await this.#data.close();
    await this.#list.close();
  }
}

function readList(file: string, count: number): Set<number> {
  try {
    const numbers = readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map(Number);
    return new Set(
      numbers.filter((chunk) => Number.isInteger(chunk) && chunk >= 0 && chunk < count),
    );
  } catch {
    return new Set();
  }
}
