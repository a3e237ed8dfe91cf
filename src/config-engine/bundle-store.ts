/**
 * Bundles on this machine, `bundles/<sha256>.tar`, and their unpacked trees, `bundles/unpacked/<sha256>/`. A
 * name appears only by rename of something complete and verified, so what has a name can be trusted.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import path from "node:path";
import { syncFolder, writeFileAtomic } from "../base/atomic-file.ts";
import { type Clock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import { newUuid } from "../base/ids.ts";
import { unpackArchive } from "./bundle-archive.ts";
import { engineError } from "./errors.ts";
import { type BundleStore } from "./ports.ts";
import { treeFingerprint } from "./tree-fingerprint.ts";

export interface BundleStoreOptions {
  readonly dataDir: string;
  /** Largest bundle that is taken in. Default 256 MiB. */
  readonly bundleBytes?: number;
}

const defaultBundleBytes = 256 * 1024 * 1024;
const hashPattern = /^[0-9a-f]{64}$/;
/** What is younger may be in use by a fetch whose revision is not in the inventory yet. */
const youngestRemovedMs = 3_600_000;

export class FileBundleStore implements BundleStore {
  readonly #directory: string;
  readonly #unpackedDirectory: string;
  readonly #bundleBytes: number;
  readonly #clock: Clock;
  readonly #unpacking = new Map<string, Promise<string>>();

  constructor(options: BundleStoreOptions, dependencies: { readonly clock: Clock }) {
    this.#directory = path.join(options.dataDir, "bundles");
    this.#unpackedDirectory = path.join(this.#directory, "unpacked");
    this.#bundleBytes = options.bundleBytes ?? defaultBundleBytes;
    this.#clock = dependencies.clock;
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#size(sha256)) !== null;
  }

  async sizeBytes(sha256: string): Promise<number> {
    const size = await this.#size(sha256);
    if (size === null) throw missing(sha256);
    return size;
  }

  async readChunk(sha256: string, offset: number, maxBytes: number): Promise<Uint8Array> {
    const handle = await open(this.#file(sha256), "r").catch((error: unknown) => {
      throw errorCode(error) === "ENOENT" ? missing(sha256) : error;
    });
    try {
      const buffer = Buffer.alloc(maxBytes);
      const { bytesRead } = await handle.read(buffer, 0, maxBytes, offset);
      return new Uint8Array(buffer.subarray(0, bytesRead));
    } finally {
      await handle.close();
    }
  }

  async put(sha256: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    checkHash(sha256);
    await this.#take(bytes, sha256);
  }

  /** Adds a bundle whose hash is not known yet. */
  async add(bytes: AsyncIterable<Uint8Array>): Promise<{ sha256: string; sizeBytes: number }> {
    return await this.#take(bytes, null);
  }

  /** A tree that is not as it was unpacked is put aside, and made anew. */
  async unpacked(sha256: string): Promise<string> {
    checkHash(sha256);
    const final = path.join(this.#unpackedDirectory, sha256);
    let unpacking = this.#unpacking.get(sha256);
    if (unpacking === undefined) {
      unpacking = this.#unpack(sha256, final).finally(() => this.#unpacking.delete(sha256));
      this.#unpacking.set(sha256, unpacking);
    }
    return await unpacking;
  }

  /** Removes bundles and trees that are not in `keep`, and what a crash left half done. */
  async collect(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const directory of [this.#directory, this.#unpackedDirectory]) {
      for (const name of await readdir(directory).catch(() => [])) {
        const hash = name.replace(/\.(tar|fingerprint)$/, "");
        if (name === "unpacked" || (hashPattern.test(hash) && keep.has(hash))) continue;
        const target = path.join(directory, name);
        const age = this.#clock.wallMs() - ((await stat(target).catch(() => null))?.mtimeMs ?? 0);
        if (age < youngestRemovedMs) continue;
        await rm(target, { recursive: true, force: true });
        removed.push(name);
      }
    }
    return removed;
  }

  async #size(sha256: string): Promise<number | null> {
    checkHash(sha256);
    return (await stat(this.#file(sha256)).catch(() => null))?.size ?? null;
  }

  async #take(
    bytes: AsyncIterable<Uint8Array>,
    expected: string | null,
  ): Promise<{ sha256: string; sizeBytes: number }> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = path.join(this.#directory, `.new-${newUuid()}`);
    try {
      const added = await this.#write(bytes, temporary);
      if (expected !== null && added.sha256 !== expected) {
        throw engineError(
          "BUNDLE_CORRUPT",
          `Storing bundle ${expected} failed: the bytes have the hash ${added.sha256}`,
          { expected, actual: added.sha256 },
        );
      }
      await rename(temporary, this.#file(added.sha256));
      await syncFolder(this.#directory);
      return added;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #write(
    bytes: AsyncIterable<Uint8Array>,
    file: string,
  ): Promise<{ sha256: string; sizeBytes: number }> {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const handle = await open(file, "wx", 0o600);
    try {
      for await (const chunk of bytes) {
        sizeBytes += chunk.length;
        this.#checkSize(sizeBytes);
        hash.update(chunk);
        await writeAll(handle, chunk);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return { sha256: hash.digest("hex"), sizeBytes };
  }

  #checkSize(sizeBytes: number): void {
    if (sizeBytes <= this.#bundleBytes) return;
    throw engineError(
      "BUNDLE_TOO_LARGE",
      `Storing a bundle failed: it is larger than ${this.#bundleBytes} bytes`,
      { limit: this.#bundleBytes },
    );
  }

  async #unpack(sha256: string, final: string): Promise<string> {
    const fingerprint = `${final}.fingerprint`;
    const expected = await readFile(fingerprint, "utf8").catch(() => null);
    const actual = expected === null ? null : await treeFingerprint(final).catch(() => null);
    if (actual !== null && actual === expected) return final;
    await this.sizeBytes(sha256);
    const temporary = path.join(this.#unpackedDirectory, `.new-${newUuid()}`);
    await mkdir(temporary, { recursive: true, mode: 0o755 });
    try {
      await unpackArchive(createReadStream(this.#file(sha256)), temporary);
      await writeFileAtomic(fingerprint, await treeFingerprint(temporary));
      await rm(final, { recursive: true, force: true });
      await rename(temporary, final);
      return final;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  #file(sha256: string): string {
    return path.join(this.#directory, `${sha256}.tar`);
  }
}

/** A hash becomes part of a path, so anything else is refused before it gets there. */
export function checkHash(sha256: string): void {
  if (hashPattern.test(sha256)) return;
  throw engineError("BAD_REQUEST", `"${sha256}" is not a SHA-256 in hexadecimal`, { sha256 });
}

function missing(sha256: string): Error {
  return engineError("NOT_FOUND", `Bundle ${sha256} is not on this machine`, { sha256 });
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
  }
}
