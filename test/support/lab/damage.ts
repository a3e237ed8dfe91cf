/** What happens to files on a disk that lies: flipped bits, pages of zeros, ends cut off, files gone. */
import {
  closeSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { type Random } from "../../../src/base/random.ts";

const page = 4096;

/** Files below `folder` whose name matches, not empty, sorted. */
export function filesIn(folder: string, name: RegExp): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => name.test(path.basename(file)))
    .map((file) => path.join(folder, file))
    .filter((file) => statSync(file).isFile() && statSync(file).size > 0)
    .sort();
}

/** Returns the place. */
export function flipByte(file: string, random: Random): number {
  const at = random.below(statSync(file).size);
  rewrite(file, at, 1, (bytes) => bytes.map((byte) => byte ^ (1 << random.below(8))));
  return at;
}

export function zeroPage(file: string, random: Random): number {
  const pages = Math.ceil(statSync(file).size / page);
  const at = random.below(pages) * page;
  rewrite(file, at, page, (bytes) => bytes.fill(0));
  return at;
}

export function cutEnd(file: string, random: Random): number {
  const { size } = statSync(file);
  const left = size - 1 - random.below(Math.min(size, 4 * page));
  truncateSync(file, Math.max(0, left));
  return Math.max(0, left);
}

export function removeFile(file: string): void {
  rmSync(file);
}

function rewrite(file: string, at: number, length: number, change: (bytes: Buffer) => Uint8Array) {
  const handle = openSync(file, "r+");
  try {
    const bytes = Buffer.alloc(length);
    const count = readSync(handle, bytes, 0, length, at);
    writeSync(handle, change(bytes.subarray(0, count)), 0, count, at);
  } finally {
    closeSync(handle);
  }
}
