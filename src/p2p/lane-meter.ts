/** Counts what goes over one lane of gossip. */
import { type LaneStats } from "../gossip/ports.ts";

export class LaneMeter {
  readonly #dropped = new Map<string, number>();
  #framesOut = 0;
  #framesIn = 0;
  #bytesOut = 0;
  #bytesIn = 0;

  sent(bytes: number): void {
    this.#framesOut += 1;
    this.#bytesOut += bytes;
  }

  received(bytes: number): void {
    this.#framesIn += 1;
    this.#bytesIn += bytes;
  }

  dropped(reason: string): void {
    this.#dropped.set(reason, this.droppedBy(reason) + 1);
  }

  droppedBy(reason: string): number {
    return this.#dropped.get(reason) ?? 0;
  }

  stats(active: boolean): LaneStats {
    return {
      active,
      framesOut: this.#framesOut,
      framesIn: this.#framesIn,
      bytesOut: this.#bytesOut,
      bytesIn: this.#bytesIn,
      dropped: Object.fromEntries(this.#dropped),
    };
  }
}

/** What a lane that an agent does not have has carried. */
export const idleLane: LaneStats = new LaneMeter().stats(false);
