/**
 * A stream for a dialogue: read one frame, write one, await both. For joins and snapshots, which are long
 * exchanges with one peer; a reader that lags pauses the sender.
 */
import { type Stream } from "@libp2p/interface";
import { abortReason, type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";
import { FrameStream } from "./frame-stream.ts";

export interface ChannelLimits {
  readonly maxFrameBytes: number;
  /** Frames that may wait unread before the sender is paused. */
  readonly maxUnread: number;
}

const lingerMs = 2_000;

interface Waiter {
  readonly resolve: (frame: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

export class FrameChannel {
  readonly #limits: ChannelLimits;
  readonly #stream: FrameStream;
  readonly #unread: Uint8Array[] = [];
  #waiter: Waiter | null = null;
  #closed: Error | null = null;
  #disarm: () => void = () => {};

  constructor(stream: Stream, limits: ChannelLimits) {
    this.#limits = limits;
    const options = { maxFrameBytes: limits.maxFrameBytes, prefix: 4 as const };
    this.#stream = new FrameStream(
      stream,
      { ...options, maxQueueBytes: 4 * 1024 * 1024 },
      { frame: (frame) => this.#arrived(frame), closed: (error) => this.#ended(error) },
    );
  }

  /** Bytes written that the stream did not take yet. */
  get queuedBytes(): number {
    return this.#stream.queuedBytes;
  }

  /** The next frame. @throws the signal's reason, or AgentError PEER_LOST when the stream is over */
  read(signal: AbortSignal): Promise<Uint8Array> {
    const frame = this.#unread.shift();
    if (this.#unread.length < this.#limits.maxUnread) this.#stream.resume();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.reject(abortReason(signal));
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const onAbort = (): void => this.#settle()?.reject(abortReason(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiter = { resolve, reject };
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  /** @throws AgentError PEER_LOST when the frame cannot be queued any more */
  write(frame: Uint8Array): void {
    if (this.#stream.send(frame)) return;
    throw this.#closed ?? new AgentError(P2pCode.streamStalled, "The peer does not read.");
  }

  /** Closes after what was written has left; a peer that does not close its side too is cut off. */
  end(clock: Clock): void {
    this.#stream.end();
    if (this.#closed !== null) return;
    this.#disarm = clock.setTimer(lingerMs, () => {
      this.abort(new AgentError(P2pCode.streamStalled, "The peer did not close the stream."));
    });
  }

  abort(error: Error): void {
    this.#stream.abort(error);
  }

  #arrived(frame: Uint8Array): void {
    const waiter = this.#settle();
    if (waiter !== null) return waiter.resolve(frame);
    this.#unread.push(frame);
    if (this.#unread.length >= this.#limits.maxUnread) this.#stream.pause();
  }

  #ended(error: Error | null): void {
    const cause = error === null ? {} : { cause: error };
    this.#closed = new AgentError(P2pCode.peerLost, "The stream to the peer is closed.", {}, cause);
    this.#disarm();
    this.#settle()?.reject(this.#closed);
  }

  #settle(): Waiter | null {
    const waiter = this.#waiter;
    this.#waiter = null;
    return waiter;
  }
}
