/**
 * Calls to one peer on one lane. A call ends by answer, deadline, cancel or loss of the stream, whichever is
 * first, and tells the caller whether the request can have been carried out.
 */
import { abortReason } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { P2pCode } from "./errors.ts";
import { type MeshContext } from "./mesh-context.ts";
import { PeerStream } from "./peer-stream.ts";
import { decodeRpc, encodeRpc, type RpcMessage } from "./rpc-codec.ts";
import { type LaneLimits } from "./rpc-lanes.ts";

export interface RpcCall {
  readonly method: string;
  readonly payload: unknown;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly seq: number;
  readonly method: string;
  settle(outcome: { readonly value: unknown } | { readonly error: Error }): void;
}

export class RpcClient {
  readonly #peer: PeerId;
  readonly #limits: LaneLimits;
  readonly #context: MeshContext;
  readonly #stream: PeerStream;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(peer: PeerId, limits: LaneLimits, context: MeshContext) {
    this.#peer = peer;
    this.#limits = limits;
    this.#context = context;
    this.#stream = new PeerStream({ ...limits, peer }, context, {
      frame: (frame) => this.#answer(frame),
      broke: (error, sentSeq) => this.#lost(error, sentSeq),
      failed: (error) => this.#unsent(error),
    });
  }

  get idle(): boolean {
    return this.#pending.size === 0 && !this.#stream.isOpen;
  }

  /** For how long nothing was asked or answered, ms; 0 while an answer is awaited. */
  get unusedMs(): number {
    return this.#pending.size > 0 ? 0 : this.#stream.unusedMs;
  }

  call(call: RpcCall): Promise<unknown> {
    if (call.signal?.aborted === true) return Promise.reject(abortReason(call.signal));
    const id = (this.#lastId += 1);
    const { method, payload, timeoutMs } = call;
    const frame = encodeRpc({ kind: "request", id, method, timeoutMs, payload });
    if (frame.byteLength > this.#limits.maxFrameBytes) {
      return Promise.reject(tooLarge(method, frame.byteLength, this.#limits.maxFrameBytes));
    }
    const { maxConcurrent } = this.#limits;
    const seq = this.#pending.size < maxConcurrent ? this.#stream.send(frame) : 0;
    if (seq === 0) return Promise.reject(this.#overloaded(method));
    return this.#await(id, seq, call);
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  #await(id: number, seq: number, call: RpcCall): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const cancelTimer = this.#context.clock.setTimer(call.timeoutMs, () => this.#expired(id, call));
    const onAbort = (): void => {
      this.#giveUp(id);
      this.#settle(id, { error: abortReason(call.signal) });
    };
    call.signal?.addEventListener("abort", onAbort, { once: true });
    this.#pending.set(id, {
      seq,
      method: call.method,
      settle: (outcome) => {
        cancelTimer();
        call.signal?.removeEventListener("abort", onAbort);
        if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.value);
      },
    });
    return promise;
  }

  #answer(frame: Uint8Array): void {
    const message = decodeRpc(frame);
    if (message?.kind === "result") this.#settle(message.id, { value: message.payload });
    else if (message?.kind === "failure") this.#settle(message.id, { error: errorOf(message) });
    else throw new AgentError(P2pCode.frameMalformed, "The answer to a call is malformed.");
  }

  /** Tells the peer to stop working on it; an answer that comes anyway finds nobody. */
  #giveUp(id: number): void {
    if (this.#stream.isOpen) this.#stream.send(encodeRpc({ kind: "cancel", id }));
  }

  #expired(id: number, call: RpcCall): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    const what = `Call "${call.method}" to peer "${this.#peer}"`;
    const details = { peer: this.#peer, method: call.method };
    if (pending.seq > this.#stream.sentSeq) {
      const text = `${what} was not sent within ${call.timeoutMs} ms: the peer cannot be reached.`;
      this.#settle(id, { error: new AgentError(P2pCode.peerUnreachable, text, details) });
      return;
    }
    this.#giveUp(id);
    this.#context.host.doubt(this.#peer);
    const text = `${what} was not answered within ${call.timeoutMs} ms; it may have been carried out.`;
    this.#settle(id, { error: new AgentError(P2pCode.rpcTimeout, text, details) });
  }

  #lost(cause: Error, sentSeq: number): void {
    for (const [id, { seq, method }] of [...this.#pending]) {
      if (seq > sentSeq) continue;
      const text =
        `Call "${method}" to peer "${this.#peer}" was sent, then the connection was lost; ` +
        `it may have been carried out.`;
      const details = { peer: this.#peer, method };
      this.#settle(id, { error: new AgentError(P2pCode.peerLost, text, details, { cause }) });
    }
  }

  #unsent(cause: Error): void {
    for (const [id, { method }] of [...this.#pending]) {
      const text = `Call "${method}" to peer "${this.#peer}" was not sent: ${cause.message}`;
      const details = { peer: this.#peer, method };
      this.#settle(id, {
        error: new AgentError(P2pCode.peerUnreachable, text, details, { cause }),
      });
    }
  }

  #settle(id: number, outcome: { readonly value: unknown } | { readonly error: Error }): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(outcome);
  }

  #overloaded(method: string): AgentError {
    const text =
      `Call "${method}" to peer "${this.#peer}" was not sent: ${this.#pending.size} calls are ` +
      `under way. Try again later.`;
    return new AgentError(P2pCode.rpcOverloaded, text, { peer: this.#peer, method });
  }
}

export function tooLarge(method: string, bytes: number, limit: number): AgentError {
  const text = `Message of "${method}" has ${bytes} bytes; the limit is ${limit}.`;
  return new AgentError(P2pCode.rpcTooLarge, text, { method, bytes, limit });
}

function errorOf(failure: Extract<RpcMessage, { kind: "failure" }>): AgentError {
  return new AgentError(failure.code, failure.message, failure.details);
}
