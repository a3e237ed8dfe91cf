/** Cuts chunks of terminal output into whole lines. Bytes are joined before they are decoded. */
import { type TranscriptChunk } from "./ports.ts";

export interface TranscriptLine {
  /** Stream offset just after the line: reading may go on from here. */
  readonly offset: number;
  readonly time: number;
  readonly text: string;
}

const lineFeed = 10;

export class LineSplitter {
  #pieces: Uint8Array[] = [];
  #offset = 0;
  #time = 0;

  /** Lines that end in this chunk. */
  *push(chunk: TranscriptChunk): Iterable<TranscriptLine> {
    if (this.#pieces.length > 0 && chunk.offset !== this.#offset) yield* this.end();
    this.#time = chunk.time;
    let from = 0;
    for (
      let at = chunk.bytes.indexOf(lineFeed);
      at >= 0;
      at = chunk.bytes.indexOf(lineFeed, from)
    ) {
      this.#pieces.push(chunk.bytes.subarray(from, at));
      from = at + 1;
      yield this.#take(chunk.offset + from);
    }
    if (from < chunk.bytes.length) this.#pieces.push(chunk.bytes.subarray(from));
    this.#offset = chunk.offset + chunk.bytes.length;
  }

  /** The last line, when it has no end. */
  *end(): Iterable<TranscriptLine> {
    if (this.#pieces.length > 0) yield this.#take(this.#offset);
  }

  #take(offset: number): TranscriptLine {
    const text = Buffer.concat(this.#pieces).toString("utf8").replace(/\r+$/, "");
    this.#pieces = [];
    return { offset, time: this.#time, text };
  }
}
