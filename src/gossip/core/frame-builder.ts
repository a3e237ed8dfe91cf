/** Builds one frame: what must be said first, then as many rumours as fit. */
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { frameHeaderBytes, messageBytes } from "./sizes.ts";
import { type Ix, type Message } from "./types.ts";

export interface FrameBuilderDependencies {
  readonly queue: BroadcastQueue;
  readonly transmitLimit: () => number;
  /** Called with members whose record was sent as often as allowed. */
  readonly finished: (members: readonly Ix[]) => void;
}

export class FrameBuilder {
  readonly #frameBytes: number;
  readonly #dependencies: FrameBuilderDependencies;

  constructor(options: { readonly frameBytes: number }, dependencies: FrameBuilderDependencies) {
    this.#frameBytes = options.frameBytes;
    this.#dependencies = dependencies;
  }

  build(...first: readonly Message[]): Message[] {
    const frame: Message[] = [...first];
    let room = this.#frameBytes - frameHeaderBytes;
    for (const message of first) room -= messageBytes(message);
    const { queue, transmitLimit, finished } = this.#dependencies;
    if (queue.size === 0) return frame;
    const done = queue.fill(frame, room, transmitLimit());
    if (done.length > 0) finished(done);
    return frame;
  }
}
