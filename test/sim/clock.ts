/**
 * Virtual time: a heap of events ordered by (time, sequence). Equal seeds give equal runs, and `hash` says so: it
 * covers when which event ran, and whatever is mixed in.
 */
import { drainMicrotasks } from "./drain.ts";

export interface SimEvent {
  atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class SimClock {
  #nowMs = 0;
  #sequence = 0;
  #hash = 0x811c9dc5;
  readonly #heap: SimEvent[] = [];
  events = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Hexadecimal digest of all that happened so far. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Makes the run's digest depend on `value`. */
  mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }

  after(delayMs: number, run: () => void): SimEvent {
    const atMs = this.#nowMs + (delayMs > 0 ? delayMs : 0);
    const event = { atMs, sequence: this.#sequence++, run, cancelled: false };
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as SimEvent)) break;
      heap[i] = heap[parent] as SimEvent;
      i = parent;
    }
    heap[i] = event;
    return event;
  }

  /** Runs the next event before `endMs` and all promise reactions it leads to; false when there is none. */
  step(endMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = Math.max(this.#nowMs, endMs);
        return false;
      }
      this.#removeFirst();
      if (next.cancelled) continue;
      this.#nowMs = next.atMs;
      this.events += 1;
      this.mix(next.sequence ^ Math.round(next.atMs * 1024));
      next.run();
      drainMicrotasks();
      return true;
    }
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const moved = heap.pop() as SimEvent;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as SimEvent)) child += 1;
      if (!before(heap[child] as SimEvent, moved)) break;
      heap[i] = heap[child] as SimEvent;
      i = child;
    }
    heap[i] = moved;
  }
}

function before(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
