/**
 * A libp2p stream as frames. Writes of one turn of the event loop leave together (uncoalesced small messages
 * cost ten times as much), and never past what the stream accepts: `onDrain` of the library resolves at once
 * after its first use, so this waits for the `drain` event instead.
 */
import { type Stream, type StreamMessageEvent, type StreamCloseEvent } from "@libp2p/interface";
import { AgentError, errorMessage } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";
import { FrameDecoder, type FrameLimits } from "./framing.ts";
import { saveWindowUpdates } from "./lazy-window.ts";
import { SendQueue } from "./send-queue.ts";

export interface FrameStreamHandlers {
  frame(frame: Uint8Array): void;
  /** Called once. `error` is null when the remote just closed. */
  closed(error: Error | null): void;
  /** All that was queued has been handed over. */
  drained?(): void;
}

export interface FrameStreamOptions extends FrameLimits {
  readonly maxQueueBytes: number;
}

/** Bytes per write: enough to make the fixed costs small, few enough to let other streams in between. */
const writeBytes = 128 * 1024;

export class FrameStream {
  readonly #stream: Stream;
  #queue: SendQueue;
  readonly #decoder: FrameDecoder;
  #handlers: FrameStreamHandlers;
  #scheduled = false;
  #closed = false;
  #ended = false;

  constructor(stream: Stream, options: FrameStreamOptions, handlers: FrameStreamHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.#queue = new SendQueue({ maxBytes: options.maxQueueBytes, prefix: options.prefix });
    this.#decoder = new FrameDecoder(options);
    saveWindowUpdates(stream);
    stream.addEventListener("message", this.#onMessage);
    stream.addEventListener("drain", this.#schedule);
    stream.addEventListener("close", this.#onClose);
    stream.addEventListener("remoteCloseWrite", this.#onRemoteEnd);
    if (stream.status !== "open") setImmediate(() => this.#finish(null));
    this.#schedule();
  }

  get queuedBytes(): number {
    return this.#queue.bytes + this.#stream.writeBufferLength;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The handshake is over: hands the stream to its user, who may bring frames that already wait. */
  adopt(queue: SendQueue | null, handlers: FrameStreamHandlers): void {
    this.#handlers = handlers;
    if (queue !== null) this.#queue = queue;
    this.#schedule();
  }

  /** Queues a frame; false when it was dropped: the queue is full or the stream is closed. */
  send(frame: Uint8Array): boolean {
    if (this.#closed || this.#ended || this.#queue.push(frame) === 0) return false;
    this.#schedule();
    return true;
  }

  /** Tells that the shared queue got a frame. */
  wake(): void {
    this.#schedule();
  }

  /** Writes at once what the shared queue got: for owners that collect a turn's frames themselves. */
  flush(): void {
    if (!this.#scheduled) this.#flush();
  }

  pause(): void {
    if (this.#stream.readStatus === "readable") this.#stream.pause();
  }

  resume(): void {
    if (this.#stream.readStatus === "paused") this.#stream.resume();
  }

  /** Writes what is queued, then closes our side. */
  end(): void {
    if (this.#closed || this.#ended) return;
    this.#ended = true;
    this.#schedule();
  }

  abort(error: Error): void {
    if (this.#closed) return;
    this.#stream.abort(error);
    this.#finish(error);
  }

  readonly #schedule = (): void => {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  };

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#closed) return;
    try {
      while (!this.#stream.writableNeedsDrain) {
        const bytes = this.#queue.take(writeBytes);
        if (bytes === null) return this.#drained();
        this.#stream.send(bytes);
      }
    } catch (error) {
      this.abort(error instanceof Error ? error : new AgentError(P2pCode.peerLost, String(error)));
    }
  };

  #drained(): void {
    if (this.#ended) {
      this.#stream.close().catch((error: unknown) => {
        this.abort(new AgentError(P2pCode.peerLost, errorMessage(error)));
      });
    } else {
      this.#handlers.drained?.();
    }
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    const chunks = event.data instanceof Uint8Array ? [event.data] : event.data;
    try {
      for (const chunk of chunks) {
        for (const frame of this.#decoder.push(chunk)) {
          if (this.#closed) return;
          this.#handlers.frame(frame);
        }
      }
    } catch (error) {
      this.abort(error instanceof Error ? error : new AgentError(P2pCode.frameMalformed, "Bad"));
    }
  };

  /** A half-closed stream is of no use to any of our protocols: close our half too. */
  readonly #onRemoteEnd = (): void => this.end();

  readonly #onClose = (event: StreamCloseEvent): void => this.#finish(event.error ?? null);

  #finish(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.removeEventListener("message", this.#onMessage);
    this.#stream.removeEventListener("drain", this.#schedule);
    this.#handlers.closed(error);
  }
}
