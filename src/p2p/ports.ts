/** The mesh as the rest of the agent sees it: who is admitted, requests with deadlines, and known addresses. */
import { type PeerId } from "../base/ids.ts";

/** Decides who may speak. Asked for every inbound stream; must be cheap and current. */
export interface Admission {
  isMember(peer: PeerId): boolean;
  /** Evicted peers are not dialed, and may only ask, over the join protocol, what became of them. */
  isEvicted(peer: PeerId): boolean;
}

export type RpcLane = "control" | "bulk";

/** Request and response over one long-lived stream per peer and lane. Payloads are msgpack values. */
export interface Rpc {
  /** Registers the handler of a method; a thrown AgentError travels with code, message and details. */
  handle(
    method: string,
    handler: (payload: unknown, from: PeerId, signal: AbortSignal) => Promise<unknown>,
  ): void;
  /**
   * @throws AgentError PEER_UNREACHABLE (the request was not sent), RPC_TIMEOUT and PEER_LOST (it may have been
   *   carried out), RPC_OVERLOADED, UNKNOWN_METHOD, or the handler's own code.
   */
  call(
    peer: PeerId,
    method: string,
    payload: unknown,
    options: { readonly timeoutMs: number; readonly lane?: RpcLane; readonly signal?: AbortSignal },
  ): Promise<unknown>;
}
