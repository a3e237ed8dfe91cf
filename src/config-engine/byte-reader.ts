/** Reads lines and exact counts of bytes from a stream of chunks. */
import { engineError } from "./errors.ts";

const lineFeed = 10;
const lineLimit = 64 * 1024;

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf(lineFeed);
      if (end >= 0) {
        const line = this.#held.toString("utf8", 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      if (this.#held.length > lineLimit)
        throw engineError("SOURCE_UNREACHABLE", "A line is too long");
      await this.#more();
    }
  }

  async bytes(count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = count; ; ) {
      const piece = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(piece.length);
      pieces.push(piece);
      missing -= piece.length;
      if (missing === 0) return Buffer.concat(pieces, count);
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) {
      throw engineError(
        "SOURCE_UNREACHABLE",
        "Reading from git failed: its output ended too early",
      );
    }
    this.#held =
      this.#held.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#held, next.value]);
  }
}
