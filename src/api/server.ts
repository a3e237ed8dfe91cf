/**
 * The API's listeners: the unix socket, where the file's permission is the authentication, and an address with
 * tokens, which has to have TLS unless only this machine can reach it.
 */
import { type Server } from "node:http";
import { isIP } from "node:net";
import { type FastifyInstance } from "fastify";
import { delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Service } from "../base/service.ts";
import { type Proof } from "./access.ts";
import { buildApp, type TlsFiles } from "./app.ts";
import { type ApiContext } from "./context.ts";
import { maxBodyBytes } from "./contract/wire.ts";
import { ServerError } from "./errors.ts";
import { type Metrics } from "./metrics.ts";
import { RouteServer } from "./route-server.ts";
import { placeSocket, type PlacedSocket } from "./socket-file.ts";

export interface ApiServerOptions {
  readonly socketPath: string;
  /** Null: no listener on the network. Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly tls: TlsFiles | null;
}

export interface ApiServerDeps {
  readonly context: ApiContext;
  readonly metrics: Metrics;
}

const mostConnections = 1024;
/** Requests under way get so long to end when the server stops. */
const stopGraceMs = 3000;

export class ApiServer implements Service {
  readonly name = "api";
  readonly #options: ApiServerOptions;
  readonly #deps: ApiServerDeps;
  readonly #stopping = new AbortController();
  readonly #apps: FastifyInstance[] = [];
  #socket: PlacedSocket | null = null;
  #url: string | null = null;

  constructor(options: ApiServerOptions, deps: ApiServerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** `http(s)://host:port` of the network listener, when there is one. */
  get url(): string | null {
    return this.#url;
  }

  /** @throws ServerError SOCKET_IN_USE, SOCKET_PATH_TAKEN, INSECURE_LISTEN, LISTEN_FAILED, TLS_INVALID. */
  async start(signal: AbortSignal): Promise<void> {
    const { socketPath, listen, tls } = this.#options;
    if (listen !== null) refuseInsecure(listen.host, tls);
    signal.throwIfAborted();
    const { context, metrics } = this.#deps;
    const stopping = this.#stopping.signal;
    const routeServer = new RouteServer({ context, metrics, stopping });
    const local = this.#build(routeServer, "local", null);
    const bind = (path: string): Promise<unknown> => listening(local, { path }, path);
    this.#socket = await placeSocket(socketPath, bind, context.clock);
    if (listen === null) return;
    const network = this.#build(routeServer, "token", tls);
    const where = `${listen.host}:${listen.port}`;
    await listening(network, { host: listen.host, port: listen.port }, where);
    const [address] = network.addresses();
    const port = typeof address === "object" ? address.port : listen.port;
    this.#url = withPort(listen.host, port, tls);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const apps = this.#apps.splice(0);
    const overdue = new AbortController();
    const closed = Promise.all(apps.map((app) => app.close()));
    const grace = delay(this.#deps.context.clock, stopGraceMs, overdue.signal).then(
      () => apps.forEach((app) => app.server.closeAllConnections()),
      () => {
        // Everything ended in time.
      },
    );
    try {
      await closed;
    } finally {
      overdue.abort();
      await grace;
      await this.#socket?.remove();
      this.#socket = null;
    }
  }

  #build(routeServer: RouteServer, proof: Proof, tls: TlsFiles | null): FastifyInstance {
    const { context, metrics } = this.#deps;
    const stopping = this.#stopping.signal;
    let app: FastifyInstance;
    try {
      app = buildApp({ proof, tls }, { context, metrics, routeServer, stopping });
    } catch (error) {
      if (tls === null) throw error;
      const message = `Certificate and key of the API cannot be used: ${errorMessage(error)}`;
      throw new ServerError("TLS_INVALID", message, {}, { cause: error });
    }
    app.server.maxConnections = mostConnections;
    refuseLargeExpectations(app.server);
    this.#apps.push(app);
    return app;
  }
}

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

async function listening(app: FastifyInstance, where: Where, text: string): Promise<string> {
  try {
    return await app.listen(where);
  } catch (error) {
    const message = `The API cannot listen on "${text}": ${errorMessage(error)}`;
    throw new ServerError("LISTEN_FAILED", message, {}, { cause: error });
  }
}

/** Tells a caller that asks first (`Expect: 100-continue`) about a body that is too large before it is sent. */
function refuseLargeExpectations(server: Server): void {
  server.on("checkContinue", (request, response) => {
    const tooLarge = Number(request.headers["content-length"]) > maxBodyBytes;
    if (!tooLarge) response.writeContinue();
    server.emit("request", request, response);
  });
}

/** @throws ServerError INSECURE_LISTEN. */
function refuseInsecure(host: string, tls: TlsFiles | null): void {
  if (tls !== null || isLoopback(host)) return;
  throw new ServerError(
    "INSECURE_LISTEN",
    `The API would be open to the network on "${host}" without encryption; give --api-tls-cert and --api-tls-key, or listen on 127.0.0.1`,
  );
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "localhost";
}

function withPort(host: string, port: number, tls: TlsFiles | null): string {
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return `${tls === null ? "http" : "https"}://${shown}:${port}`;
}
