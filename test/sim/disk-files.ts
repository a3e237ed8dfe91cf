/**
 * Files of a simulated disk, with a page cache: content is durable after `sync`, names after `syncDirectory`. A power
 * cut leaves of a file's unsynced content the old, the new, or sectors of both.
 */
import path from "node:path";
import { type Random } from "../../src/base/random.ts";
import { type Files, type OpenFile } from "../../src/consensus/storage/files.ts";
import { systemError } from "./disk-medium.ts";
import { type Device } from "./disk-medium.ts";

interface Node {
  content: Buffer;
  synced: Buffer;
}

const sectorBytes = 512;

export class SimFiles {
  readonly #random: Random;
  #names = new Map<string, Node>();
  #syncedNames = new Map<string, Node>();

  constructor(random: Random) {
    this.#random = random;
  }

  on(device: Device): Files {
    return {
      open: (file, flags) => device.now(() => this.#open(device, file, flags)),
      makeDirectory: () => Promise.resolve(),
      names: (directory) => device.now(() => this.#in(directory)),
      rename: (from, to) => device.now(() => this.#rename(from, to)),
      remove: (file) => device.now(() => void this.#names.delete(file)),
      syncDirectory: (directory) => device.write(true, () => this.#syncNames(directory)),
    };
  }

  crash(power: boolean): void {
    if (!power) return;
    if (this.#random.below(2) === 0) this.#names = new Map(this.#syncedNames);
    this.#syncedNames = new Map(this.#names);
    for (const node of new Set(this.#names.values())) {
      if (node.content !== node.synced) node.synced = this.#torn(node);
      node.content = node.synced;
    }
  }

  /** Flips one bit of a file whose name begins so. */
  flipBit(prefix: string): string | null {
    const files = [...this.#names].filter(([name]) => name.startsWith(prefix));
    const [name, node] = files[this.#random.below(Math.max(1, files.length))] ?? [];
    if (node === undefined || node.content.byteLength === 0) return null;
    const at = this.#random.below(node.content.byteLength);
    const damaged = Buffer.from(node.content);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#random.below(8));
    node.content = damaged;
    node.synced = damaged;
    return `byte ${at} of ${name} is wrong`;
  }

  #torn({ content, synced }: Node): Buffer {
    const kind = this.#random.below(3);
    if (kind < 2) return kind === 0 ? content : synced;
    const torn = Buffer.alloc(content.byteLength);
    for (let at = 0; at < torn.byteLength; at += sectorBytes) {
      const from = this.#random.below(2) === 0 ? content : synced;
      const end = Math.min(at + sectorBytes, from.byteLength);
      if (end > at) from.copy(torn, at, at, end);
    }
    return torn;
  }

  #in(directory: string): readonly string[] {
    return [...this.#names.keys()]
      .filter((name) => path.dirname(name) === directory)
      .map((name) => path.basename(name))
      .sort();
  }

  #rename(from: string, to: string): void {
    const node = this.#names.get(from);
    if (node === undefined) throw systemError("ENOENT");
    this.#names.delete(from);
    this.#names.set(to, node);
  }

  #syncNames(directory: string): void {
    for (const name of this.#syncedNames.keys()) {
      if (path.dirname(name) === directory && !this.#names.has(name))
        this.#syncedNames.delete(name);
    }
    for (const [name, node] of this.#names) {
      if (path.dirname(name) === directory) this.#syncedNames.set(name, node);
    }
  }

  #open(device: Device, file: string, flags: Parameters<Files["open"]>[1]): OpenFile {
    let node = this.#names.get(file);
    if (node === undefined && (flags.startsWith("r") || flags === "ds+"))
      throw systemError("ENOENT");
    if (node !== undefined && flags === "wx+") throw systemError("EEXIST");
    if (node === undefined || flags === "w+") {
      device.requireSpace();
      node = { content: Buffer.alloc(0), synced: Buffer.alloc(0) };
      this.#names.set(file, node);
    }
    return new SimOpenFile(device, node, flags === "ds+");
  }
}

class SimOpenFile implements OpenFile {
  readonly #device: Device;
  readonly #node: Node;
  readonly #durably: boolean;

  /** @param durably every write is synced (O_DSYNC). */
  constructor(device: Device, node: Node, durably: boolean) {
    this.#device = device;
    this.#node = node;
    this.#durably = durably;
  }

  read(
    into: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    const { content } = this.#node;
    const bytesRead = Math.max(0, Math.min(length, content.byteLength - position));
    if (bytesRead > 0) content.copy(into, offset, position, position + bytesRead);
    return Promise.resolve({ bytesRead });
  }

  async write(
    bytes: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }> {
    await this.#device.now(() => {
      this.#device.requireSpace();
      const node = this.#node;
      const end = position + length;
      // Never in place: the old content may be what is durable.
      if (position === 0 && end >= node.content.byteLength) {
        node.content = Buffer.copyBytesFrom(bytes, offset, length);
      } else {
        const content = Buffer.alloc(Math.max(end, node.content.byteLength));
        node.content.copy(content);
        content.set(bytes.subarray(offset, offset + length), position);
        node.content = content;
      }
    });
    if (this.#durably) await this.sync();
    return { bytesWritten: length };
  }

  truncate(length: number): Promise<void> {
    const content = Buffer.alloc(length);
    this.#node.content.copy(content);
    this.#node.content = content;
    return Promise.resolve();
  }

  stat(): Promise<{ readonly size: number }> {
    return Promise.resolve({ size: this.#node.content.byteLength });
  }

  sync(): Promise<void> {
    const node = this.#node;
    const { content } = node;
    return this.#device.write(true, () => {
      node.synced = content;
    });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
