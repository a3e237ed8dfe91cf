/** Finds a mark in a stream of bytes, wherever chunks are cut, and passes on what stands before it. */
export class MarkFinder {
  readonly mark: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #found = false;

  constructor(mark: Buffer) {
    this.mark = mark;
  }

  get found(): boolean {
    return this.#found;
  }

  /** What can be passed on: all but a beginning of the mark at the end. Nothing after the mark. */
  push(bytes: Buffer): Buffer {
    if (this.#found) return Buffer.alloc(0);
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const at = all.indexOf(this.mark);
    if (at >= 0) {
      this.#found = true;
      return all.subarray(0, at);
    }
    const keep = this.#beginningAtEnd(all);
    this.#held = Buffer.from(all.subarray(all.length - keep));
    return all.subarray(0, all.length - keep);
  }

  #beginningAtEnd(all: Buffer): number {
    const longest = Math.min(all.length, this.mark.length - 1);
    for (let length = longest; length > 0; length -= 1) {
      if (all.subarray(all.length - length).equals(this.mark.subarray(0, length))) return length;
    }
    return 0;
  }
}
