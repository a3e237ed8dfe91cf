/**
 * The accepting side of long-lived streams: hello first, within ten seconds, from this cluster; then one stream
 * per peer, where a newer one replaces the older, as a peer that reconnected has given the old one up.
 */
import { type Stream } from "@libp2p/interface";
import { AssertionError } from "../base/assert.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { OffenceLog } from "../gossip/driver/offence-log.ts";
import { P2pCode } from "./errors.ts";
import { FrameStream, type FrameStreamHandlers } from "./frame-stream.ts";
import { type PrefixWidth } from "./framing.ts";
import { encodeAnswer, HelloAnswer, judgeHello } from "./hello.ts";
import { type MeshContext } from "./mesh-context.ts";
import { type Protocol } from "./protocols.ts";

export interface ServeOptions {
  readonly protocol: Protocol;
  readonly prefix: PrefixWidth;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
}

/** Takes an accepted stream of `peer` and gives the handlers of what comes in. */
export type AcceptStream = (peer: PeerId, stream: FrameStream) => FrameStreamHandlers;

const helloMs = 10_000;

export class StreamServer {
  readonly #options: ServeOptions;
  readonly #context: MeshContext;
  readonly #accept: AcceptStream;
  readonly #current = new Map<PeerId, FrameStream>();
  readonly #badLog = new OffenceLog({ periodMs: 10_000 });
  readonly #helloLog = new OffenceLog({ periodMs: 10_000 });

  constructor(options: ServeOptions, context: MeshContext, accept: AcceptStream) {
    this.#options = options;
    this.#context = context;
    this.#accept = accept;
    context.host.handle(options.protocol, (stream, peer) => this.#greet(stream, peer));
  }

  /** Peers with an open stream to this agent. */
  get size(): number {
    return this.#current.size;
  }

  closeAll(): void {
    const reason = new AgentError(P2pCode.hostStopped, "This agent closed the stream.");
    for (const stream of [...this.#current.values()]) stream.abort(reason);
  }

  #greet(raw: Stream, peer: PeerId): void {
    const cancel = this.#context.clock.setTimer(helloMs, () => {
      stream.abort(new AgentError(P2pCode.streamStalled, "No proper hello came in time."));
    });
    let judged = false;
    const stream: FrameStream = new FrameStream(raw, this.#options, {
      frame: (frame) => {
        if (judged) return; // it was refused: nothing it says counts any more
        judged = true;
        if (this.#judge(peer, stream, frame)) cancel();
      },
      closed: cancel,
    });
  }

  /** False when the stream was refused: it gets the rest of its time to read that and close. */
  #judge(peer: PeerId, stream: FrameStream, hello: Uint8Array): boolean {
    const answer = judgeHello(hello, this.#context.clusterId());
    stream.send(encodeAnswer(answer));
    if (answer === HelloAnswer.accepted) {
      this.#adopt(peer, stream);
      return true;
    }
    const heard = this.#helloLog.take(peer, this.#context.clock.monotonicMs());
    const data = { protocol: this.#options.protocol, answer, ...heard };
    if (heard !== null) this.#context.logger.warn(data, "hello refused");
    stream.end();
    return false;
  }

  #adopt(peer: PeerId, stream: FrameStream): void {
    const replaced = new AgentError(P2pCode.streamReplaced, "The peer opened a newer stream.");
    this.#current.get(peer)?.abort(replaced);
    this.#current.set(peer, stream);
    const handlers = this.#accept(peer, stream);
    stream.adopt(null, {
      frame: (frame) => handlers.frame(frame),
      drained: () => handlers.drained?.(),
      closed: (error) => {
        if (this.#current.get(peer) === stream) this.#current.delete(peer);
        this.#report(peer, error);
        handlers.closed(error);
      },
    });
  }

  /** What the network or the peer did is ordinary; a bug of a receiver must not pass as such. */
  #report(peer: PeerId, error: Error | null): void {
    if (error === null) return;
    const { protocol } = this.#options;
    const data = { peer, protocol, error: errorMessage(error), code: errorCode(error) };
    const ours = error instanceof TypeError || error instanceof AssertionError;
    if (ours) this.#context.logger.error(data, "a receiver of messages failed");
    else if (isMalformed(error)) this.#complain(peer, data);
    else this.#context.logger.debug(data, "inbound stream broke");
  }

  #complain(peer: PeerId, data: object): void {
    const offences = this.#badLog.take(peer, this.#context.clock.monotonicMs());
    if (offences === null) return;
    this.#context.logger.warn({ ...data, ...offences }, "malformed frame, stream aborted");
  }
}

/** The other side broke the framing: too long a frame, or none at all. */
export function isMalformed(error: Error | null): boolean {
  const code = errorCode(error);
  return code === P2pCode.frameTooLarge || code === P2pCode.frameMalformed;
}
