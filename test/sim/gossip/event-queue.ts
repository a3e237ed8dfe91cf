/** Binary heap of things to do, by time, then by order of arrival: the same run for the same seed. */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;

  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  push(at: number, run: () => void): void {
    this.#order += 1;
    const entry = { at, order: this.#order, run };
    let place = this.#heap.length;
    this.#heap.push(entry);
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const above = this.#heap[parent];
      if (above === undefined || !before(entry, above)) break;
      this.#heap[place] = above;
      place = parent;
    }
    this.#heap[place] = entry;
  }

  pop(): (() => void) | null {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (top === undefined || last === undefined) return null;
    if (this.#heap.length > 0) this.#sink(last);
    return top.run;
  }

  #sink(entry: Entry): void {
    const { length } = this.#heap;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      const left = this.#heap[child];
      if (left === undefined) break;
      const right = child + 1 < length ? this.#heap[child + 1] : undefined;
      let smaller = left;
      if (right !== undefined && before(right, left)) {
        smaller = right;
        child += 1;
      }
      if (!before(smaller, entry)) break;
      this.#heap[place] = smaller;
      place = child;
    }
    this.#heap[place] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}
