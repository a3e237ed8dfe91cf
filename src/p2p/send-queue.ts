/**
 * Frames that wait to be written, bounded in bytes. Each gets a sequence number, so that its owner can tell
 * after a break which were surely never handed to the network.
 */
import { lengthPrefix, type PrefixWidth } from "./framing.ts";

export class SendQueue {
  readonly #maxBytes: number;
  readonly #prefix: PrefixWidth;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #head = 0;
  #lastSeq = 0;
  #sentSeq = 0;

  /** @param options.lastSeq where numbering goes on, when this queue follows another one. */
  constructor(options: {
    readonly maxBytes: number;
    readonly prefix: PrefixWidth;
    readonly lastSeq?: number;
  }) {
    this.#maxBytes = options.maxBytes;
    this.#prefix = options.prefix;
    this.#lastSeq = options.lastSeq ?? 0;
    this.#sentSeq = this.#lastSeq;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The last frame that was taken out for writing. */
  get sentSeq(): number {
    return this.#sentSeq;
  }

  /** The frame's sequence number, or 0 when the queue is full and the frame was not taken. */
  push(frame: Uint8Array): number {
    const size = frame.byteLength + this.#prefix;
    if (this.#bytes + size > this.#maxBytes && this.#bytes > 0) return 0;
    this.#frames.push(frame);
    this.#bytes += size;
    this.#lastSeq += 1;
    return this.#lastSeq;
  }

  /** Takes whole frames of about `maxBytes` together (at least one) as one buffer; null when empty. */
  take(maxBytes: number): Uint8Array | null {
    const parts: Uint8Array[] = [];
    let size = 0;
    while (this.#head < this.#frames.length && (size === 0 || size < maxBytes)) {
      const frame = this.#frames[this.#head];
      if (frame === undefined) break;
      this.#head += 1;
      this.#sentSeq += 1;
      parts.push(lengthPrefix(frame.byteLength, this.#prefix), frame);
      size += frame.byteLength + this.#prefix;
    }
    if (size === 0) return null;
    this.#bytes -= size;
    this.#compact();
    return Buffer.concat(parts, size);
  }

  #compact(): void {
    if (this.#head === this.#frames.length) this.#frames = [];
    else if (this.#head > 1024) this.#frames = this.#frames.slice(this.#head);
    else return;
    this.#head = 0;
  }
}
