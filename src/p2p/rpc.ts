/**
 * Requests between agents: many at once over one long-lived stream per peer and lane. A call to oneself skips
 * the network but not the codec, so that nobody comes to rely on sharing objects.
 */
import { Background } from "../base/background.ts";
import { abortReason } from "../base/clock.ts";
import { assert } from "../base/assert.ts";
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";
import { P2pCode } from "./errors.ts";
import { type MeshContext } from "./mesh-context.ts";
import { type Rpc, type RpcLane } from "./ports.ts";
import { RpcClient, type RpcCall } from "./rpc-client.ts";
import { lanes } from "./rpc-lanes.ts";
import { callLocally } from "./rpc-local.ts";
import { RpcServerStream, type RpcHandler } from "./rpc-server.ts";
import { StreamServer } from "./serve-streams.ts";

export class MeshRpc implements Rpc, Service {
  readonly name = "rpc";
  readonly #context: MeshContext;
  readonly #handlers = new Map<string, RpcHandler>();
  readonly #clients: Readonly<Record<RpcLane, Map<PeerId, RpcClient>>>;
  readonly #servers: readonly StreamServer[];
  readonly #background: Background;
  readonly #unsubscribe: readonly (() => void)[];
  #stopped = false;

  constructor(context: MeshContext) {
    this.#context = context;
    this.#background = new Background(context.logger);
    this.#clients = { control: new Map(), bulk: new Map() };
    const handlerOf = (method: string): RpcHandler | null => this.#handlers.get(method) ?? null;
    const { clock, logger } = context;
    this.#servers = Object.values(lanes).map((limits) => {
      return new StreamServer(limits, context, (peer, stream) => {
        return new RpcServerStream({ peer, limits, handlerOf, clock, logger }, stream);
      });
    });
    this.#unsubscribe = [
      context.host.onConnection((peer, state) => {
        if (state === "closed" || state === "timeout") this.#forget(peer);
      }),
      context.host.onRest((unusedMs) => this.#rest(unusedMs)),
    ];
  }

  start(signal: AbortSignal): Promise<void> {
    return Promise.resolve(signal.throwIfAborted());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const server of this.#servers) server.closeAll();
    const clients = Object.values(this.#clients).flatMap((map) => [...map.values()]);
    await Promise.all(clients.map((client) => client.close()));
    await this.#background.close();
  }

  handle(method: string, handler: RpcHandler): void {
    assert(!this.#handlers.has(method), `one handler per RPC method, doubled: ${method}`);
    this.#handlers.set(method, handler);
  }

  async call(
    peer: PeerId,
    method: string,
    payload: unknown,
    options: {
      readonly timeoutMs: number;
      readonly lane?: RpcLane;
      readonly signal?: AbortSignal;
    },
  ): Promise<unknown> {
    if (this.#stopped) throw new AgentError(P2pCode.peerUnreachable, "The mesh is stopped.");
    if (options.signal?.aborted === true) throw abortReason(options.signal);
    const call: RpcCall = { method, payload, ...options };
    if (peer === this.#context.host.id) {
      return callLocally(call, this.#handlers.get(method) ?? null, this.#context);
    }
    try {
      return await this.#client(peer, options.lane ?? "control").call(call);
    } catch (error) {
      this.#forget(peer);
      throw error;
    }
  }

  #client(peer: PeerId, lane: RpcLane): RpcClient {
    const existing = this.#clients[lane].get(peer);
    if (existing !== undefined) return existing;
    const client = new RpcClient(peer, lanes[lane], this.#context);
    this.#clients[lane].set(peer, client);
    return client;
  }

  /** Frees what was kept for a peer that is gone; a call that waits for a reconnect keeps its client. */
  #forget(peer: PeerId): void {
    for (const clients of Object.values(this.#clients)) {
      const client = clients.get(peer);
      if (client?.idle === true) this.#close(clients, peer, client);
    }
  }

  /** Streams to peers that nobody keeps connected close when they were not used for a while. */
  #rest(unusedMs: number): void {
    for (const clients of Object.values(this.#clients)) {
      for (const [peer, client] of clients) {
        const rests = client.unusedMs >= unusedMs && !this.#context.host.keeps(peer);
        if (rests) this.#close(clients, peer, client);
      }
    }
  }

  #close(clients: Map<PeerId, RpcClient>, peer: PeerId, client: RpcClient): void {
    clients.delete(peer);
    this.#background.run("close idle rpc client", () => client.close());
  }
}
