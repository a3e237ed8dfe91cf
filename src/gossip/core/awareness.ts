/**
 * Local health (Lifeguard LHA): how far this agent should doubt itself. 0 is healthy. Own failures to hear
 * others, accusations against oneself and a lagging event loop raise it; successful probes lower it.
 */
export class Awareness {
  readonly #max: number;
  #score = 0;

  constructor(options: { readonly awarenessMax: number }) {
    this.#max = options.awarenessMax - 1;
  }

  get score(): number {
    return this.#score;
  }

  /** The worst score: judgements about others are worth nothing now. */
  get blind(): boolean {
    return this.#max > 0 && this.#score >= this.#max;
  }

  change(delta: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + delta));
  }

  /** A duration stretched by the present doubt. */
  scale(milliseconds: number): number {
    return milliseconds * (this.#score + 1);
  }
}
