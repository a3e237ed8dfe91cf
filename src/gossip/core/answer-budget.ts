/** What one agent hands out per second before it sends askers to others: bytes, refilled as time passes. */
export class AnswerBudget {
  readonly #perSecond: number;
  #left: number;
  #refilledAt = 0;

  constructor(bytesPerSecond: number) {
    this.#perSecond = bytesPerSecond;
    this.#left = bytesPerSecond;
  }

  /** Takes `bytes` if anything is left; the last answer of a second may exceed it. */
  afford(now: number, bytes: number): boolean {
    const refill = (Math.max(0, now - this.#refilledAt) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + refill);
    this.#refilledAt = now;
    if (this.#left <= 0) return false;
    this.#left -= bytes;
    return true;
  }
}
