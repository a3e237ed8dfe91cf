/**
 * Local health (Lifeguard LHA): how far this agent should doubt itself. 0 is healthy. Own failures to hear
 * others, accusations against oneself and a lagging event loop raise it; successful probes lower it. Beside it stands
 * how slow its host is at least, which is measured and not guessed: who comes late to everything hears late of all.
 */
export class Awareness {
  readonly #max: number;
  #score = 0;
  /** 1 on a host that keeps up. */
  slowness = 1;

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

  /** A duration stretched by the present doubt, or the host's slowness where that is more. */
  scale(milliseconds: number): number {
    return milliseconds * Math.max(this.#score + 1, this.slowness);
  }
}
