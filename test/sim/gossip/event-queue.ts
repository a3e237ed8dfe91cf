/**
 * Things to do by time, then by order of arrival: the same run for the same seed. A heap of four children each whose
 * keys lie in arrays of numbers, as most of a large simulation's time goes into memory that is not in the cache.
 */
export class EventQueue {
  #at = new Float64Array(1024);
  #order = new Float64Array(1024);
  readonly #runs: (() => void)[] = [];
  #pushed = 0;

  get nextAt(): number {
    return this.#runs.length === 0 ? Infinity : (this.#at[0] ?? Infinity);
  }

  push(at: number, run: () => void): void {
    this.#pushed += 1;
    let place = this.#runs.length;
    if (place === this.#at.length) this.#grow();
    this.#runs.push(run);
    while (place > 0) {
      const parent = (place - 1) >>> 2;
      // A later arrival never passes one of the same time.
      if ((this.#at[parent] ?? 0) <= at) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#set(place, { at, order: this.#pushed, run });
  }

  pop(): (() => void) | null {
    const top = this.#runs[0];
    if (top === undefined) return null;
    const last = this.#runs.length - 1;
    const run = this.#runs.pop();
    if (last > 0 && run !== undefined) {
      this.#sink(this.#at[last] ?? 0, this.#order[last] ?? 0, run);
    }
    return top;
  }

  #sink(at: number, order: number, run: () => void): void {
    const ats = this.#at;
    const orders = this.#order;
    const { length } = this.#runs;
    let place = 0;
    for (;;) {
      const first = 4 * place + 1;
      if (first >= length) break;
      const end = Math.min(first + 4, length);
      let child = first;
      let childAt = ats[first] ?? 0;
      for (let other = first + 1; other < end; other += 1) {
        const otherAt = ats[other] ?? 0;
        const isEarlier =
          otherAt < childAt || (otherAt === childAt && (orders[other] ?? 0) < (orders[child] ?? 0));
        if (!isEarlier) continue;
        child = other;
        childAt = otherAt;
      }
      if (childAt > at || (childAt === at && (orders[child] ?? 0) > order)) break;
      this.#move(child, place);
      place = child;
    }
    this.#set(place, { at, order, run });
  }

  #move(from: number, to: number): void {
    this.#at[to] = this.#at[from] ?? 0;
    this.#order[to] = this.#order[from] ?? 0;
    const run = this.#runs[from];
    if (run !== undefined) this.#runs[to] = run;
  }

  #set(place: number, entry: { at: number; order: number; run: () => void }): void {
    this.#at[place] = entry.at;
    this.#order[place] = entry.order;
    this.#runs[place] = entry.run;
  }

  #grow(): void {
    const at = new Float64Array(2 * this.#at.length);
    at.set(this.#at);
    this.#at = at;
    const order = new Float64Array(2 * this.#order.length);
    order.set(this.#order);
    this.#order = order;
  }
}
