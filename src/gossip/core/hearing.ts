/**
 * Whether this agent may call others failed. Who could not hear knows nothing of what was said meanwhile, denials above
 * all: it compares views as soon as it hears again, and judges nobody before that had time.
 */
import { type GossipOptions } from "../options.ts";
import { type Awareness } from "./awareness.ts";

/** Two comparisons of views, should the first come to nothing. */
const comparisons = 2;

export class Hearing {
  readonly #awareness: Pick<Awareness, "blind">;
  readonly #isOn: boolean;
  readonly #graceMs: number;
  #wasBlind = false;
  #judgesFrom = -Infinity;

  constructor(
    { lifeguard, syncMinMs }: Pick<GossipOptions, "lifeguard" | "syncMinMs">,
    awareness: Pick<Awareness, "blind">,
  ) {
    this.#awareness = awareness;
    this.#isOn = lifeguard.probe;
    this.#graceMs = comparisons * syncMinMs;
  }

  /** True in the moment from which on it hears again. */
  look(now: number): boolean {
    const isBack = this.#wasBlind && !this.#isBlind;
    this.#wasBlind = this.#isBlind;
    if (isBack) this.#judgesFrom = now + this.#graceMs;
    return isBack;
  }

  /** When it may judge at the earliest, as things stand; not above `now` where it may. */
  judgesFrom(now: number): number {
    return this.#isBlind ? now + this.#graceMs : this.#judgesFrom;
  }

  get #isBlind(): boolean {
    return this.#isOn && this.#awareness.blind;
  }
}
