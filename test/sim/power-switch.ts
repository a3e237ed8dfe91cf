/** The operator's power switch: turns hosts off for certain, most of the time, and somebody turns them on again. */
import { type Random } from "../../src/base/random.ts";
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type SimCluster } from "./cluster.ts";
import { type Life } from "./life.ts";

const worksTimes = 4;
const outOf = 5;
const fastestMs = 300;
const spreadMs = 2000;
const offMs = 12_000;

export class PowerSwitch {
  readonly #cluster: SimCluster;
  readonly #random: Random;

  /** Orders under way, and hosts that are still off. */
  #busy = 0;

  constructor(cluster: SimCluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  get isIdle(): boolean {
    return this.#busy === 0;
  }

  /** Resolves true when the host of an agent was off at that moment. It has a network of its own. */
  fence(id: NodeId, caller: Life): Promise<boolean> {
    const { clock, nodes, trace } = this.#cluster;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#busy += 1;
    clock.after(fastestMs + this.#random.float() * spreadMs, () => {
      const node = nodes.find((one) => one.id === id);
      const isOff = node !== undefined && this.#random.below(outOf) < worksTimes;
      if (isOff) {
        trace.add(() => `${id} is turned off`);
        node.holdDown();
        clock.after(offMs * (0.5 + this.#random.float()), () => {
          node.start();
          this.#busy -= 1;
        });
      } else this.#busy -= 1;
      caller.run(() => resolve(isOff));
    });
    return promise;
  }
}
