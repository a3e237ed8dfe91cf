/**
 * Texts of answers that are a function of the inventory alone: right until the next entry is applied. A fleet that
 * rests is asked for its nodes by every dashboard, and pays for one listing.
 */
import { type InventoryView } from "../inventory/view.ts";

const mostAnswers = 8;

export class AnswerCache {
  readonly #view: Pick<InventoryView, "appliedIndex">;
  readonly #texts = new Map<string, string>();
  #index = -1;

  constructor(view: Pick<InventoryView, "appliedIndex">) {
    this.#view = view;
  }

  get(key: string): string | null {
    this.#forgetOld();
    return this.#texts.get(key) ?? null;
  }

  /** `text` was made from the inventory at `index`. */
  put(key: string, text: string, index: number): void {
    this.#forgetOld();
    if (index !== this.#index) return;
    const [oldest] = this.#texts.keys();
    if (this.#texts.size >= mostAnswers && oldest !== undefined) this.#texts.delete(oldest);
    this.#texts.set(key, text);
  }

  #forgetOld(): void {
    if (this.#index === this.#view.appliedIndex) return;
    this.#index = this.#view.appliedIndex;
    this.#texts.clear();
  }
}
