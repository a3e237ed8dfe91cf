/**
 * The long-lived stream to one peer for one protocol, opened by this side. It opens when a frame is sent (or
 * `hold` asks for it), says hello, and takes frames from then on; before, they wait in a bounded queue. When it
 * breaks, its owner is told up to which frame it had written; later ones wait for the next stream, and are
 * dropped only when that cannot be opened.
 */
import { unlessAborted } from "../base/clock.ts";
import { Background } from "../base/background.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { withDeadline } from "./deadline.ts";
import { P2pCode } from "./errors.ts";
import { FrameStream } from "./frame-stream.ts";
import { type PrefixWidth } from "./framing.ts";
import { decodeAnswer, encodeHello, HelloAnswer, wireVersions } from "./hello.ts";
import { type MeshContext } from "./mesh-context.ts";
import { type Protocol } from "./protocols.ts";
import { SendQueue } from "./send-queue.ts";

export interface PeerStreamOptions {
  readonly peer: PeerId;
  readonly protocol: Protocol;
  readonly prefix: PrefixWidth;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  /** The owner sends one frame per turn of the event loop itself: each is written at once. */
  readonly collects?: boolean;
}

export interface PeerStreamEvents {
  frame(frame: Uint8Array): void;
  opened?(): void;
  /** The stream broke: frames up to `sentSeq` may have arrived, later ones still wait. */
  broke?(error: Error, sentSeq: number): void;
  /** No stream could be opened: all waiting frames were dropped, surely unsent. */
  failed?(error: Error): void;
}

const openMs = 10_000;
/** A connection that breaks takes its streams first: the next one waits until that is over. */
const settleMs = 20;
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
  /** When a frame was last sent or came. */
  #usedAtMs = 0;
  /** The last stream broke, and no attempt was made since. */
  #broken = false;
  /** The last attempt may have met a dying connection; there is one more at most. */
  #repeats = false;
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

  /** The last frame that was written; later ones wait. */
  get sentSeq(): number {
    return this.#queue.sentSeq;
  }

  /** For how long no frame was sent or came, ms; 0 while one waits. */
  get unusedMs(): number {
    return this.#queue.bytes > 0 ? 0 : this.#context.clock.monotonicMs() - this.#usedAtMs;
  }

  /** Queues a frame and gives its sequence number; 0 when it was dropped. */
  send(frame: Uint8Array): number {
    if (this.#background.signal.aborted) return 0;
    const seq = this.#queue.push(frame);
    this.#usedAtMs = this.#context.clock.monotonicMs();
    if (this.#stream === null) this.#open();
    else if (this.#options.collects === true) this.#stream.flush();
    else this.#stream.wake();
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
    const reason = new AgentError(P2pCode.hostStopped, "This agent closed the stream.");
    this.#stream?.abort(reason);
    await closing;
    this.#events.failed?.(reason);
  }

  #open(): void {
    if (this.#opening || this.#background.signal.aborted) return;
    this.#opening = true;
    this.#background.run(`open ${this.#options.protocol}`, async (signal) => {
      const { host } = this.#context;
      let met = false;
      try {
        await this.#backOff(signal);
        met = host.isConnected(this.#options.peer);
        const limit = { clock: this.#context.clock, ms: openMs, signal };
        this.#take(await withDeadline(limit, (expired) => this.#handshake(expired)));
      } catch (error) {
        const text = `${this.#options.protocol} to peer "${this.#options.peer}": ${errorMessage(error)}`;
        const { peer } = this.#options;
        // The peer may have closed the connection just then, as an idle one: the next attempt makes a new one.
        this.#repeats = met && !this.#repeats && isRepeatable(error);
        this.#failed(new AgentError(P2pCode.peerUnreachable, text, { peer }, { cause: error }));
      }
    });
  }

  /** Resolves with the stream when the peer accepted it. */
  async #handshake(signal: AbortSignal): Promise<FrameStream> {
    const { peer, protocol, prefix, maxFrameBytes, maxQueueBytes } = this.#options;
    const clusterId = this.#context.clusterId();
    if (clusterId === null) {
      throw new AgentError(P2pCode.peerUnreachable, "this agent belongs to no cluster yet");
    }
    const raw = await this.#context.host.openStream(peer, protocol, signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stream = new FrameStream(
      raw,
      { prefix, maxFrameBytes, maxQueueBytes },
      {
        frame: (frame) => (isAccepted(frame) ? resolve() : reject(this.#refusal(frame))),
        closed: (error) => reject(error ?? this.#refusal(null)),
      },
    );
    stream.send(encodeHello(clusterId));
    try {
      await unlessAborted(promise, signal);
      if (stream.closed) throw this.#refusal(null);
      return stream;
    } catch (error) {
      stream.abort(this.#refusal(null));
      throw error;
    }
  }

  #refusal(frame: Uint8Array | null): AgentError {
    const answer = frame === null ? null : decodeAnswer(frame);
    if (answer === HelloAnswer.foreignCluster) {
      return new AgentError(P2pCode.foreignCluster, "the peer belongs to another cluster");
    }
    if (answer === HelloAnswer.incompatible) {
      const text = `the peer speaks no version in common with this agent (${wireVersions.min} to ${wireVersions.max}); upgrade the older one`;
      return new AgentError(P2pCode.incompatible, text);
    }
    return new AgentError(P2pCode.streamRefused, "the peer refused the stream");
  }

  #take(stream: FrameStream): void {
    this.#opening = false;
    this.#stream = stream;
    this.#broken = false;
    this.#repeats = false;
    this.#openedAtMs = this.#context.clock.monotonicMs();
    stream.adopt(this.#queue, {
      frame: (frame) => {
        this.#usedAtMs = this.#context.clock.monotonicMs();
        this.#events.frame(frame);
      },
      closed: (error) => {
        this.#broke(error ?? new AgentError(P2pCode.peerLost, "The peer closed the stream."));
      },
    });
    this.#events.opened?.();
  }

  #broke(error: Error): void {
    const lived = this.#context.clock.monotonicMs() - this.#openedAtMs;
    this.#stream = null;
    this.#broken = true;
    this.#failures = lived >= goodMs ? 0 : this.#failures + 1;
    this.#pause();
    this.#events.broke?.(error, this.#queue.sentSeq);
    if (this.#held || this.#queue.bytes > 0) this.#open();
  }

  /** What waits is kept for one more attempt when the first may have met a dying connection. */
  #failed(error: Error): void {
    this.#opening = false;
    this.#failures += 1;
    this.#pause();
    if (!(this.#broken || this.#repeats) || this.#background.signal.aborted) {
      this.#queue = this.#newQueue(this.#queue.lastSeq);
      this.#events.failed?.(error);
    }
    this.#broken = false;
    if (this.#held || this.#queue.bytes > 0) this.#open();
  }

  #pause(): void {
    const step = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(this.#failures, 16));
    const jittered = step * (0.5 + this.#context.random.float() / 2);
    const pause = this.#failures === 0 ? settleMs : jittered;
    this.#retryAtMs = this.#context.clock.monotonicMs() + pause;
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

/** Not when the peer said no, or nothing for so long. */
function isRepeatable(error: unknown): boolean {
  if (error instanceof Error && error.name === "TimeoutError") return false;
  const code = errorCode(error);
  return code !== P2pCode.foreignCluster && code !== P2pCode.incompatible;
}

function isAccepted(frame: Uint8Array): boolean {
  return decodeAnswer(frame) === HelloAnswer.accepted;
}
