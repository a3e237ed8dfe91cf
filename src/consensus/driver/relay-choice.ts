/**
 * Whom to ask: members that the leader streams to first, in an order of chance, then other neighbours, the leader last
 * of all: it has followers to feed. Who was of no use is left out for a while, longer each time.
 */
import { type Random, shuffle } from "../../base/random.ts";
import { type NodeId } from "../core/types.ts";

export interface ChoiceView {
  readonly neighbours: readonly NodeId[];
  readonly streamedTo: ReadonlySet<NodeId>;
  readonly leader: NodeId | null;
}

interface Avoided {
  readonly untilMs: number;
  readonly times: number;
}

export interface Pause {
  readonly firstMs: number;
  readonly longestMs: number;
}

export class RelayChoice {
  readonly #random: Random;
  readonly #avoided = new Map<NodeId, Avoided>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Null when there is nobody to ask now. */
  next({ neighbours, streamedTo, leader }: ChoiceView, nowMs: number): NodeId | null {
    for (const id of this.#avoided.keys()) {
      if (!neighbours.includes(id)) this.#avoided.delete(id);
    }
    const free = neighbours.filter((id) => (this.#avoided.get(id)?.untilMs ?? 0) <= nowMs);
    const rank = (id: NodeId): number => (id === leader ? 2 : streamedTo.has(id) ? 0 : 1);
    return shuffle([...free], this.#random).sort((a, b) => rank(a) - rank(b))[0] ?? null;
  }

  /** Leaves `id` out, and twice as long each time until it was of use again. */
  avoid(id: NodeId, nowMs: number, { firstMs, longestMs }: Pause): void {
    const times = this.#avoided.get(id)?.times ?? 0;
    const untilMs = nowMs + Math.min(firstMs * 2 ** times, longestMs);
    this.#avoided.set(id, { untilMs, times: Math.min(times + 1, 10) });
  }

  wasOfUse(id: NodeId): void {
    this.#avoided.delete(id);
  }
}
