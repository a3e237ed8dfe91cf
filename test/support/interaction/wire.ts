/** Everything on its way between the nodes of a transcript, in the order it was sent. It waits to be delivered. */
import { type NodeId } from "../../../src/consensus/core/types.ts";
import { type Response } from "./node.ts";

export class Wire {
  #onTheWay: Response[] = [];

  push(...sent: readonly Response[]): void {
    this.#onTheWay.push(...sent);
  }

  hasFor(to: NodeId): boolean {
    return this.#onTheWay.some((one) => one.to === to);
  }

  /** All for one receiver, or those of one kind. */
  take(to: NodeId, name: string | null): readonly Response[] {
    return this.#takeWhere((one) => one.to === to && (name === null || one.name === name));
  }

  /** The same without what a node says to itself: that is never lost. */
  takeRemote(to: NodeId, name: string | null): readonly Response[] {
    return this.#takeWhere(
      (one) => one.to === to && !one.local && (name === null || one.name === name),
    );
  }

  #takeWhere(chosen: (one: Response) => boolean): readonly Response[] {
    const taken = this.#onTheWay.filter(chosen);
    this.#onTheWay = this.#onTheWay.filter((one) => !taken.includes(one));
    return taken;
  }
}
