/**
 * Which counters of one sender were seen (RFC 6479): each is taken once, out of order within the last thousand. What
 * is older is refused, as nobody can say whether it was seen.
 */
const words = 32;
const bitsPerWord = 32;
/** One word less than there is, as a word is cleared as a whole. */
export const replayWindow = (words - 1) * bitsPerWord;

export class ReplayWindow {
  readonly #bits = new Uint32Array(words);
  #highest = 0;

  /** True when the counter was not seen yet, and is not too old. Changes nothing. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter <= 0 || this.#highest - counter >= replayWindow) return false;
    const word = this.#bits[this.#slot(counter)] ?? 0;
    return ((word >>> (counter % bitsPerWord)) & 1) === 0;
  }

  /** Call it for what proved genuine only: a forged high counter would shut the sender out. */
  take(counter: number): void {
    if (counter > this.#highest) this.#advance(counter);
    const slot = this.#slot(counter);
    this.#bits[slot] = ((this.#bits[slot] ?? 0) | (1 << (counter % bitsPerWord))) >>> 0;
  }

  #advance(counter: number): void {
    const before = Math.floor(this.#highest / bitsPerWord);
    const passed = Math.min(words, Math.floor(counter / bitsPerWord) - before);
    for (let step = 1; step <= passed; step += 1) this.#bits[(before + step) % words] = 0;
    this.#highest = counter;
  }

  #slot(counter: number): number {
    return Math.floor(counter / bitsPerWord) % words;
  }
}
