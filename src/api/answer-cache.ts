/**
 * Texts of answers that are a function of the inventory alone: right until the next entry is applied, or the agent is
 * in another history, where the same index can be another write. A fleet that rests is asked for its nodes by every
 * dashboard, and pays for one listing.
 */
import { generationSuffix, type Source } from "./places.ts";

const mostAnswers = 8;

export class AnswerCache {
  readonly #source: Source;
  readonly #texts = new Map<string, string>();
  #place = "";

  constructor(source: Source) {
    this.#source = source;
  }

  /** Where the inventory is now. */
  get place(): string {
    const { appliedIndex } = this.#source.view;
    return `${appliedIndex}${generationSuffix(this.#source, appliedIndex)}`;
  }

  get(key: string): string | null {
    this.#forgetOld();
    return this.#texts.get(key) ?? null;
  }

  /** `text` was made from the inventory at `place`. */
  put(key: string, text: string, place: string): void {
    this.#forgetOld();
    if (place !== this.#place) return;
    const [oldest] = this.#texts.keys();
    if (this.#texts.size >= mostAnswers && oldest !== undefined) this.#texts.delete(oldest);
    this.#texts.set(key, text);
  }

  #forgetOld(): void {
    const { place } = this;
    if (this.#place === place) return;
    this.#place = place;
    this.#texts.clear();
  }
}
