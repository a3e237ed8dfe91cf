/**
 * What waits for the core. It is short as a rule; after a stall the kernel hands over all that arrived meanwhile at
 * once. Then (memberlist's HandoffQueueDepth) frames beyond a limit are dropped, those that prove no life first
 * and the oldest first, and what proves life is judged before what accuses.
 */
import { type Input } from "../core/types.ts";

type FrameInput = Extract<Input, { readonly kind: "frame" }>;

const framesMax = 1024;

export class Mailbox {
  #inputs: Input[] = [];
  #frames = 0;

  get isEmpty(): boolean {
    return this.#inputs.length === 0;
  }

  /** True when a frame was dropped to make room. */
  put(input: Input): boolean {
    this.#inputs.push(input);
    if (input.kind !== "frame") return false;
    this.#frames += 1;
    if (this.#frames <= framesMax) return false;
    this.#dropOne();
    return true;
  }

  /** All that waits: what is not a frame in order, frames with a proof of life, then the others. */
  takeAll(): readonly Input[] {
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#frames = 0;
    if (inputs.length < 2) return inputs;
    const rank = (input: Input): number => (input.kind !== "frame" ? 0 : provesLife(input) ? 1 : 2);
    return inputs.sort((a, b) => rank(a) - rank(b));
  }

  #dropOne(): void {
    const idle = this.#inputs.findIndex((input) => input.kind === "frame" && !provesLife(input));
    const oldest = this.#inputs.findIndex((input) => input.kind === "frame");
    this.#inputs.splice(idle >= 0 ? idle : oldest, 1);
    this.#frames -= 1;
  }
}

/** An answer to a probe, a probe to be answered, or a member's own word. */
function provesLife({ frame }: FrameInput): boolean {
  return frame.some(({ kind }) => kind === "ack" || kind === "ping" || kind === "alive");
}
