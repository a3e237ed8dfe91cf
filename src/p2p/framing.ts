/**
 * Frames on a byte stream: a big-endian length, then that many bytes. Chunk sizes are arbitrary, so nothing is
 * assumed about them; a length is judged before anything is kept for it, and memory grows only with bytes that
 * really arrived, never with what a header promises.
 */
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";

/** Width of the length prefix in bytes: 4 for streams, 2 for gossip's small frames. */
export type PrefixWidth = 2 | 4;

export interface FrameLimits {
  readonly maxFrameBytes: number;
  readonly prefix: PrefixWidth;
}

export function lengthPrefix(length: number, width: PrefixWidth): Buffer {
  const header = Buffer.allocUnsafe(width);
  header.writeUIntBE(length, 0, width);
  return header;
}

/** Pieces of an unfinished frame that are kept one by one: each costs memory of its own, however small it is. */
const mostChunks = 256;

/** Cuts a byte stream into frames. A frame may share memory with the chunk it came in. */
export class FrameDecoder {
  readonly #limits: FrameLimits;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Length of the frame whose header was read, or null while reading a header. */
  #expected: number | null = null;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes that wait for the rest of their frame. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** Pieces in which they are kept. */
  get pendingChunks(): number {
    return this.#chunks.length;
  }

  /**
   * The frames that `chunk` completes, in order.
   * @throws AgentError FRAME_TOO_LARGE, FRAME_MALFORMED: the stream is beyond repair then.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    if (this.#chunks.length >= mostChunks) this.#chunks = [Buffer.concat(this.#chunks)];
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    for (;;) {
      if (this.#expected === null) {
        if (this.#bytes < this.#limits.prefix) return;
        this.#expected = this.#length(this.#take(this.#limits.prefix));
      }
      if (this.#bytes < this.#expected) return;
      const frame = this.#take(this.#expected);
      this.#expected = null;
      yield frame;
    }
  }

  #length(header: Uint8Array): number {
    let length = 0;
    for (const byte of header) length = length * 256 + byte;
    if (length === 0) throw new AgentError(P2pCode.frameMalformed, "A frame of length 0 arrived.");
    if (length > this.#limits.maxFrameBytes) {
      const text = `A frame of ${length} bytes arrived; the limit is ${this.#limits.maxFrameBytes}.`;
      throw new AgentError(P2pCode.frameTooLarge, text, { length });
    }
    return length;
  }

  /** Removes the first `count` bytes; the common case, all in one chunk, copies nothing. */
  #take(count: number): Uint8Array {
    const [first] = this.#chunks;
    if (first !== undefined && first.byteLength >= count) {
      this.#bytes -= count;
      if (first.byteLength === count) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = all.byteLength === count ? [] : [all.subarray(count)];
    this.#bytes -= count;
    return all.subarray(0, count);
  }
}
