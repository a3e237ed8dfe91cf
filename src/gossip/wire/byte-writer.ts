/** Growing big-endian writer. */
const encoder = new TextEncoder();

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(expectedBytes: number) {
    this.#bytes = new Uint8Array(Math.max(16, expectedBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
  }

  u48(value: number): void {
    this.u16(Math.floor(value / 0x1_0000_0000));
    this.u32(value % 0x1_0000_0000);
  }

  bytes(value: Uint8Array): void {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
  }

  /** Length in one byte, then UTF-8. The caller limits the text to 255 bytes. */
  text8(value: string): void {
    const bytes = encoder.encode(value);
    this.u8(bytes.length);
    this.bytes(bytes);
  }

  /** Length in two bytes, then UTF-8. */
  text16(value: string): void {
    const bytes = encoder.encode(value);
    this.u16(bytes.length);
    this.bytes(bytes);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Where the next `count` bytes go. May replace the buffer, so it comes before any use of it. */
  #take(count: number): number {
    const at = this.#length;
    this.#length = at + count;
    if (this.#length > this.#bytes.length) {
      const longer = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length));
      longer.set(this.#bytes);
      this.#bytes = longer;
      this.#view = new DataView(longer.buffer);
    }
    return at;
  }
}
