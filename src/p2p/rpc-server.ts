/**
 * Serves the requests of one peer on one stream. A request runs until its handler settles; its signal aborts at
 * the deadline, on cancel, and when the stream is gone. While answers pile up unread, no request is read.
 */
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { P2pCode } from "./errors.ts";
import { type FrameStream, type FrameStreamHandlers } from "./frame-stream.ts";
import { tooLarge } from "./rpc-client.ts";
import { decodeRpc, encodeRpc, type RpcMessage, type RpcRequest } from "./rpc-codec.ts";
import { type LaneLimits } from "./rpc-lanes.ts";

export type RpcHandler = (payload: unknown, from: PeerId, signal: AbortSignal) => Promise<unknown>;

export interface RpcServing {
  readonly peer: PeerId;
  readonly limits: LaneLimits;
  readonly handlerOf: (method: string) => RpcHandler | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Unread answers above this make the server stop reading requests. */
const highWaterBytes = 1024 * 1024;

export class RpcServerStream implements FrameStreamHandlers {
  readonly #serving: RpcServing;
  readonly #stream: FrameStream;
  readonly #running = new Map<number, AbortController>();

  constructor(serving: RpcServing, stream: FrameStream) {
    this.#serving = serving;
    this.#stream = stream;
  }

  frame(frame: Uint8Array): void {
    const message = decodeRpc(frame);
    if (message?.kind === "cancel") this.#abort(message.id, P2pCode.rpcCancelled);
    else if (message?.kind === "request") this.#begin(message);
    else throw new AgentError(P2pCode.frameMalformed, "A request is malformed.");
  }

  drained(): void {
    this.#stream.resume();
  }

  closed(): void {
    for (const id of [...this.#running.keys()]) this.#abort(id, P2pCode.peerLost);
  }

  #begin(request: RpcRequest): void {
    const { id, method } = request;
    if (this.#running.has(id))
      throw new AgentError(P2pCode.frameMalformed, "A call id is doubled.");
    const handler = this.#serving.handlerOf(method);
    if (handler === null) {
      const text = `Method "${method}" is not known here; this agent may be of another version.`;
      return this.#fail(request, new AgentError(P2pCode.unknownMethod, text, { method }));
    }
    if (this.#running.size >= this.#serving.limits.maxConcurrent) {
      const text = `Call "${method}" was refused: ${this.#running.size} calls of this peer are under way.`;
      return this.#fail(request, new AgentError(P2pCode.rpcOverloaded, text, { method }));
    }
    const controller = new AbortController();
    this.#running.set(id, controller);
    void this.#run(request, handler, controller);
  }

  async #run(request: RpcRequest, handler: RpcHandler, controller: AbortController): Promise<void> {
    const { signal } = controller;
    const disarm = this.#serving.clock.setTimer(request.timeoutMs, () => {
      this.#abort(request.id, P2pCode.rpcTimeout);
    });
    try {
      const payload = await handler(request.payload, this.#serving.peer, signal);
      if (!signal.aborted) this.#reply(request, { kind: "result", id: request.id, payload });
    } catch (error) {
      if (!signal.aborted) this.#fail(request, error);
    } finally {
      disarm();
      this.#running.delete(request.id);
    }
  }

  #abort(id: number, code: P2pCode): void {
    this.#running.get(id)?.abort(new AgentError(code, "The caller no longer waits."));
  }

  #fail(request: RpcRequest, error: unknown): void {
    const { id, method } = request;
    if (error instanceof AgentError) {
      const { code, message, details } = error;
      return this.#reply(request, { kind: "failure", id, code, message, details });
    }
    const { peer, logger } = this.#serving;
    logger.error({ method, peer, error: errorMessage(error) }, "an RPC handler failed");
    const message = `Method "${method}" failed inside the agent; its log says why.`;
    this.#reply(request, { kind: "failure", id, code: P2pCode.rpcFailed, message, details: {} });
  }

  #reply(request: RpcRequest, message: RpcMessage): void {
    const frame = this.#encode(request, message);
    if (!this.#stream.send(frame) && !this.#stream.closed) {
      this.#stream.abort(new AgentError(P2pCode.streamStalled, "The peer does not read answers."));
    }
    if (this.#stream.queuedBytes > highWaterBytes) this.#stream.pause();
  }

  #encode({ id, method }: RpcRequest, message: RpcMessage): Uint8Array {
    const frame = encodeRpc(message);
    const limit = this.#serving.limits.maxFrameBytes;
    if (frame.byteLength <= limit) return frame;
    const { code, message: text, details } = tooLarge(method, frame.byteLength, limit);
    return encodeRpc({ kind: "failure", id, code, message: text, details });
  }
}
