/**
 * The long-lived stream to one peer for one protocol, opened by this side. It opens when a frame is sent (or
 * `hold` asks for it), says hello, and takes frames from then on; before, they wait in a bounded queue. When it
 * breaks, waiting frames are dropped and their owner is told up to which one they had left.
 */
import { Background } from "../base/background.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { unlessAborted } from "./dialer.ts";
import { P2pCode } from "./errors.ts";
import { FrameStream } from "./frame-stream.ts";
import { type PrefixWidth } from "./framing.ts";
import { decodeAnswer, encodeHello, HelloAnswer } from "./hello.ts";
import { type MeshContext } from "./mesh-context.ts";
import { type Protocol } from "./protocols.ts";
import { SendQueue } from "./send-queue.ts";

export interface PeerStreamOptions {
  readonly peer: PeerId;
  readonly protocol: Protocol;
  readonly prefix: PrefixWidth;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
}

export interface PeerStreamEvents {
  frame(frame: Uint8Array): void;
  opened?(): void;
  /** An attempt failed or the stream broke; frames up to `sentSeq` may have arrived, later ones did not. */
  down(error: Error, sentSeq: number): void;
}

const openMs = 10_000;
/** A stream that lasted this long was good: the next one is opened without delay. */
const goodMs = 1_000;
const minBackoffMs = 50;
const maxBackoffMs = 5_000;

export class PeerStream {
  readonly #options: PeerStreamOptions;
  readonly #context: MeshContext;
  readonly #events: PeerStreamEvents;
  readonly #background: Background;
  #queue: SendQueue;
  #stream: FrameStream | null = null;
  #opening = false;
  #held = false;
  #failures = 0;
  #openedAtMs = 0;
  #retryAtMs = 0;
  #hurry: () => void = () => {};

  constructor(options: PeerStreamOptions, context: MeshContext, events: PeerStreamEvents) {
    this.#options = options;
    this.#context = context;
    this.#events = events;
    this.#background = new Background(context.logger);
    this.#queue = this.#newQueue();
  }

  get isOpen(): boolean {
    return this.#stream !== null;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** Queues a frame and gives its sequence number; 0 when it was dropped. */
  send(frame: Uint8Array): number {
    if (this.#background.signal.aborted) return 0;
    const seq = this.#queue.push(frame);
    if (this.#stream !== null) this.#stream.wake();
    else this.#open();
    return seq;
  }

  /** Keeps the stream open (true), or only as long as it is used (false). */
  hold(held: boolean): void {
    this.#held = held;
    if (held && this.#stream === null) this.#open();
  }

  /** The peer gave a sign of life: a waiting attempt goes ahead. */
  hurry(): void {
    this.#hurry();
  }

  async close(): Promise<void> {
    this.#held = false;
    const closing = this.#background.close();
    this.#hurry();
    this.#stream?.abort(new AgentError(P2pCode.hostStopped, "This agent closed the stream."));
    await closing;
  }

  #open(): void {
    if (this.#opening || this.#background.signal.aborted) return;
    this.#opening = true;
    this.#background.run(`open ${this.#options.protocol}`, async (signal) => {
      try {
        await this.#backOff(signal);
        const stream = await this.#handshake(signal);
        this.#opening = false;
        this.#take(stream);
      } catch (error) {
        this.#opening = false;
        this.#down(error instanceof Error ? error : new AgentError(P2pCode.peerUnreachable, ""));
      }
    });
  }

  /** Resolves with the stream when the peer accepted it. */
  async #handshake(stop: AbortSignal): Promise<FrameStream> {
    const { peer, protocol, prefix, maxFrameBytes } = this.#options;
    const clusterId = this.#context.clusterId();
    if (clusterId === null) {
      throw new AgentError(P2pCode.peerUnreachable, "This agent belongs to no cluster yet.");
    }
    const signal = AbortSignal.any([stop, AbortSignal.timeout(openMs)]);
    const raw = await this.#context.host.openStream(peer, protocol, signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const options = { prefix, maxFrameBytes, maxQueueBytes: this.#options.maxQueueBytes };
    const stream = new FrameStream(raw, options, {
      frame: (frame) => (isAccepted(frame) ? resolve() : reject(this.#refusal(frame))),
      closed: (error) => reject(error ?? this.#refusal(null)),
    });
    stream.send(encodeHello(clusterId));
    try {
      await unlessAborted(promise, signal);
      return stream;
    } catch (error) {
      const text = `Could not open ${protocol} to peer "${peer}": ${errorMessage(error)}.`;
      const failure = new AgentError(P2pCode.peerUnreachable, text, { peer }, { cause: error });
      stream.abort(failure);
      throw failure;
    }
  }

  #refusal(frame: Uint8Array | null): AgentError {
    const answer = frame === null ? null : decodeAnswer(frame);
    if (answer === HelloAnswer.foreignCluster) {
      return new AgentError(P2pCode.foreignCluster, "the peer belongs to another cluster");
    }
    return new AgentError(P2pCode.streamRefused, "the peer refused the stream");
  }

  #take(stream: FrameStream): void {
    if (stream.closed) return this.#down(this.#refusal(null));
    this.#stream = stream;
    this.#openedAtMs = this.#context.clock.monotonicMs();
    stream.adopt(this.#queue, {
      frame: (frame) => this.#events.frame(frame),
      closed: (error) => {
        this.#stream = null;
        this.#down(error ?? new AgentError(P2pCode.peerLost, "The peer closed the stream."));
      },
    });
    this.#events.opened?.();
  }

  #down(error: Error): void {
    const queue = this.#queue;
    this.#queue = this.#newQueue(queue.lastSeq);
    const lived = this.#openedAtMs > 0 ? this.#context.clock.monotonicMs() - this.#openedAtMs : 0;
    this.#openedAtMs = 0;
    this.#failures = lived >= goodMs ? 0 : this.#failures + 1;
    const step = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(this.#failures, 16));
    const pause = this.#failures === 0 ? 0 : step * (0.5 + this.#context.random.float() / 2);
    this.#retryAtMs = this.#context.clock.monotonicMs() + pause;
    this.#events.down(error, queue.sentSeq);
    if (this.#held || this.#queue.bytes > 0) this.#open();
  }

  #backOff(signal: AbortSignal): Promise<void> {
    const pause = this.#retryAtMs - this.#context.clock.monotonicMs();
    if (pause <= 0 || signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#context.clock.setTimer(pause, resolve);
    this.#hurry = () => {
      cancel();
      resolve();
    };
    return promise;
  }

  #newQueue(lastSeq = 0): SendQueue {
    const { maxQueueBytes: maxBytes, prefix } = this.#options;
    return new SendQueue({ maxBytes, prefix, lastSeq });
  }
}

function isAccepted(frame: Uint8Array): boolean {
  return decodeAnswer(frame) === HelloAnswer.accepted;
}
