/**
 * The window of unacknowledged append messages to one follower: bounded in messages and in bytes, so that a slow
 * follower costs bounded memory and a fast one keeps its pipe full (Little's law).
 */
import { assert, must } from "../../base/assert.ts";
import { type Index } from "./types.ts";

export interface WindowLimits {
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
}

export class Inflights {
  readonly #limits: WindowLimits;
  /** Last index and size of each message, oldest first. */
  #window: { readonly last: Index; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(limits: WindowLimits) {
    assert(limits.maxInflightMessages > 0, "a window holds at least one message");
    assert(limits.maxInflightBytes > 0, "a window holds at least one byte");
    this.#limits = limits;
  }

  get count(): number {
    return this.#window.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  isFull(): boolean {
    return (
      this.#window.length >= this.#limits.maxInflightMessages ||
      this.#bytes >= this.#limits.maxInflightBytes
    );
  }

  add(last: Index, bytes: number): void {
    assert(!this.isFull(), "nothing is sent into a full window");
    assert((this.#window.at(-1)?.last ?? 0) < last, "messages in flight ascend");
    this.#window.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** Everything up to `index` arrived. */
  freeTo(index: Index): void {
    let count = 0;
    while (count < this.#window.length) {
      const message = must(this.#window[count], "the window is dense");
      if (message.last > index) break;
      this.#bytes -= message.bytes;
      count += 1;
    }
    this.#window.splice(0, count);
    assert((this.#window[0]?.last ?? index + 1) > index, "what arrived is not in flight");
    assert(this.#bytes >= 0, "bytes in flight are not negative");
  }

  reset(): void {
    this.#window = [];
    this.#bytes = 0;
    assert(!this.isFull(), "an empty window has room");
  }
}
