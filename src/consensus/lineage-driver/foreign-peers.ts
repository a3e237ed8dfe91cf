/** When a peer that talks of another generation is greeted: at once, and then at most so often. */
import { type NodeId } from "../core/types.ts";

const everyMs = 1000;

export class ForeignPeers {
  readonly #greetedAt = new Map<NodeId, number>();

  isDue(from: NodeId, now: number): boolean {
    if (now - (this.#greetedAt.get(from) ?? -Infinity) < everyMs) return false;
    this.#greetedAt.set(from, now);
    return true;
  }
}
