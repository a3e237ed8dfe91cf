/**
 * Terminal bytes to lines: pure, fed chunk by chunk. A line ends at a newline; bytes that are not UTF-8 read as
 * U+FFFD. A line longer than `longestLineBytes` is given out in pieces, so that memory stays bounded, and a hole in
 * the offsets (the dropped middle of a large transcript) ends a line.
 */
import { type TranscriptChunk } from "../../config-engine/ports.ts";

export interface TranscriptLine {
  /** Offset of the first byte, and of the byte after the line's end. */
  readonly offset: number;
  readonly nextOffset: number;
  /** Wall clock when its last byte was read. */
  readonly time: number;
  readonly text: string;
}

export const longestLineBytes = 4 * 1024 * 1024;

const newline = 0x0a;

export class LineSplitter {
  readonly #longest: number;
  #parts: Uint8Array[] = [];
  #size = 0;
  #start: number;
  #time = 0;

  /** @param offset of the first byte that will be fed. */
  constructor(offset: number, longest: number = longestLineBytes) {
    this.#start = offset;
    this.#longest = longest;
  }

  /** Lines that `chunk` completes. Bytes before the present offset were fed already and are skipped. */
  push(chunk: TranscriptChunk): readonly TranscriptLine[] {
    const lines: TranscriptLine[] = [];
    const expected = this.#start + this.#size;
    if (chunk.offset > expected) {
      lines.push(...this.flush());
      this.#start = chunk.offset;
    }
    let bytes = chunk.bytes.subarray(Math.max(0, expected - chunk.offset));
    this.#time = chunk.time;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline)) {
      this.#keep(bytes.subarray(0, end + 1), lines);
      lines.push(...this.flush());
      bytes = bytes.subarray(end + 1);
    }
    this.#keep(bytes, lines);
    return lines;
  }

  /** What is left without a newline, as a line of its own. */
  flush(): readonly TranscriptLine[] {
    if (this.#size === 0) return [];
    const bytes = Buffer.concat(this.#parts, this.#size);
    const offset = this.#start;
    this.#start += this.#size;
    this.#parts = [];
    this.#size = 0;
    const text = bytes.toString("utf8").replace(/\r*\n$/, "");
    return [{ offset, nextOffset: this.#start, time: this.#time, text }];
  }

  #keep(bytes: Uint8Array, lines: TranscriptLine[]): void {
    let rest = bytes;
    while (this.#size + rest.length > this.#longest) {
      const fits = cutAtCharacter(rest, this.#longest - this.#size);
      this.#add(rest.subarray(0, fits));
      lines.push(...this.flush());
      rest = rest.subarray(fits);
    }
    this.#add(rest);
  }

  #add(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }
}

/** The longest cut of at most `most` bytes that does not split a UTF-8 character. */
function cutAtCharacter(bytes: Uint8Array, most: number): number {
  for (let cut = most; cut > Math.max(0, most - 4); cut -= 1) {
    if (((bytes[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return most;
}
