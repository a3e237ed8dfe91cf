/**
 * Strict big-endian reader that never throws: reading past the end gives zeros and clears `ok`, which the
 * caller checks once at the end.
 */
const decoder = new TextDecoder();

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #ok = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get ok(): boolean {
    return this.#ok;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Everything was read, and nothing beyond. */
  get isComplete(): boolean {
    return this.#ok && this.remaining === 0;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at);
  }

  /** 48 bits, which a number holds exactly. */
  u48(): number {
    const high = this.u16();
    return high * 0x1_0000_0000 + this.u32();
  }

  /** A copy, so that it does not keep the whole frame alive. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.#bytes.slice(at, at + count);
  }

  /** UTF-8 text of `count` bytes. */
  text(count: number): string {
    const at = this.#take(count);
    return at < 0 ? "" : decoder.decode(this.#bytes.subarray(at, at + count));
  }

  /** A number of items of at least `itemBytes` each; 0 and not ok when they cannot fit. */
  count(itemBytes: number): number {
    const count = this.u32();
    if (count * itemBytes <= this.remaining) return count;
    this.#ok = false;
    return 0;
  }

  #take(count: number): number {
    const at = this.#at;
    if (!this.#ok || count > this.remaining) {
      this.#ok = false;
      return -1;
    }
    this.#at = at + count;
    return at;
  }
}
