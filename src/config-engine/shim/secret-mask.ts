/**
 * Replaces secret values in a stream by `***` before a byte is stored, wherever chunks are cut.
 *
 * CR and LF are passed over on both sides, so that a value is found when the terminal turned LF into CR LF or a
 * program wrapped it. Bytes are held back exactly while they may be the beginning of a secret. Programs print
 * values as JSON, base64 or URL text too, so these forms are masked as well, and each longer line of a value of
 * many lines.
 */
import { must } from "../../base/assert.ts";
import { ByteAutomaton } from "./byte-automaton.ts";

/** A row of secret bytes; positions count from the beginning of the stream. */
interface Hidden {
  readonly from: number;
  readonly to: number;
}

const stars = Buffer.from("***");
const lineFeed = 10;
const carriageReturn = 13;
/** Lines shorter than this, in a value of many lines, are too common to mask alone (`}`, `EOF`). */
const shortestLine = 8;

export class SecretMask {
  readonly #automaton: ByteAutomaton | null;
  #state = 0;
  /** What was not passed on yet, and the position of its first byte. */
  #held: Buffer = Buffer.alloc(0);
  #base = 0;
  /** Positions of the last bytes the automaton took, in a ring as long as the longest pattern. */
  readonly #taken: Float64Array;
  #takenCount = 0;
  #hidden: Hidden[] = [];
  /** Where the last mask ended: what is hidden from there on belongs to it. */
  #maskEnd = -1;

  constructor(values: readonly string[]) {
    const patterns = values.flatMap(formsOf).filter((pattern) => pattern.length > 0);
    this.#automaton = patterns.length === 0 ? null : new ByteAutomaton(patterns);
    this.#taken = new Float64Array(
      patterns.reduce((most, { length }) => Math.max(most, length), 1),
    );
  }

  /** Takes output in and gives what is safe to store. */
  push(bytes: Uint8Array): Uint8Array {
    if (this.#automaton === null) return bytes;
    const from = this.#held.length;
    const all = from === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    this.#search(all, from, this.#automaton);
    const open = this.#automaton.depth(this.#state);
    return this.#release(all, open === 0 ? all.length : this.#position(open) - this.#base);
  }

  /** What was held back, at the end of the stream: a beginning of a secret that never became one. */
  end(): Uint8Array {
    return this.#release(this.#held, this.#held.length);
  }

  #search(all: Buffer, from: number, automaton: ByteAutomaton): void {
    for (let i = from; i < all.length; i += 1) {
      const byte = all.readUInt8(i);
      // The fast way through most output: nothing is open, and nothing begins here.
      if (this.#state === 0 && !automaton.begins(byte)) continue;
      if (byte === lineFeed || byte === carriageReturn) continue;
      this.#taken[this.#takenCount % this.#taken.length] = this.#base + i;
      this.#takenCount += 1;
      this.#state = automaton.step(this.#state, byte);
      const matched = automaton.matched(this.#state);
      if (matched > 0) this.#hide(this.#position(matched), this.#base + i + 1);
    }
  }

  /** Position of the byte that was taken `back` bytes ago; 1 is the last. */
  #position(back: number): number {
    const index = (this.#takenCount - back) % this.#taken.length;
    return must(this.#taken[index], "a pattern is no longer than the ring");
  }

  /** Rows that touch become one. */
  #hide(from: number, to: number): void {
    let start = from;
    for (let last = this.#hidden.at(-1); last !== undefined; last = this.#hidden.at(-1)) {
      if (last.to < start) break;
      start = Math.min(start, last.from);
      this.#hidden.pop();
    }
    this.#hidden.push({ from: start, to });
  }

  /** Passes on the first `count` bytes, each row of secret ones as one mask; holds the rest. */
  #release(all: Buffer, count: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    const end = this.#base + count;
    let at = this.#base;
    for (const { from, to } of this.#hidden) {
      if (from >= end) break;
      if (from > at) pieces.push(all.subarray(at - this.#base, from - this.#base));
      if (from !== this.#maskEnd) pieces.push(stars);
      at = Math.min(to, end);
      this.#maskEnd = at;
    }
    const untouched = at === this.#base;
    pieces.push(all.subarray(at - this.#base, count));
    this.#hidden = this.#hidden
      .filter(({ to }) => to > end)
      .map(({ from, to }) => ({ from: Math.max(from, end), to }));
    this.#held = Buffer.from(all.subarray(count));
    this.#base = end;
    return untouched ? all.subarray(0, count) : Buffer.concat(pieces);
  }
}

function formsOf(value: string): Buffer[] {
  const forms = new Set([value, JSON.stringify(value).slice(1, -1)]);
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length >= shortestLine) {
    forms.add(bytes.toString("base64").replace(/=+$/, ""));
    forms.add(encodeURIComponent(bytes.toString("utf8")));
  }
  const lines = value.split(/\r?\n/);
  if (lines.length > 1) {
    for (const line of lines) if (line.trim().length >= shortestLine) forms.add(line.trim());
  }
  return [...forms].map((form) => Buffer.from(form.replace(/[\r\n]/g, ""), "utf8"));
}
