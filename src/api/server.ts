/**
 * The API's listeners: the unix socket, where the file's permission is the authentication, and an address with
 * tokens, which has to have TLS unless only this machine can reach it.
 */
import { type Server } from "node:http";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { type FastifyInstance } from "fastify";
import { delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Service } from "../base/service.ts";
import { type Proof } from "./access.ts";
import { buildApp, type TlsPair } from "./app.ts";
import { type ApiContext } from "./context.ts";
import { maxBodyBytes } from "./contract/wire.ts";
import { ServerError } from "./errors.ts";
import { Metrics } from "./metrics.ts";
import { RouteServer } from "./route-server.ts";
import { placeSocket, type PlacedSocket } from "./socket-file.ts";

export interface ApiServerOptions {
  readonly socketPath: string;
  /** `HOST:PORT`; null: no listener on the network. Port 0 takes a free one. */
  readonly listen: string | null;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
}

export interface ApiServerDeps {
  readonly context: ApiContext;
  readonly metrics: Metrics;
}

/** A server with a registry of its own; its `metrics` takes the sources of other subsystems. */
export function createApiServer(options: ApiServerOptions, context: ApiContext): ApiServer {
  return new ApiServer(options, { context, metrics: new Metrics({ clock: context.clock }) });
}

const mostConnections = 1024;
/** Callers with an open connection get so long to send one more request, which tells them to close it. */
const drainMs = 50;
/** Requests under way get so long to end when the server stops. */
const stopGraceMs = 3000;

export class ApiServer implements Service {
  readonly name = "api";
  readonly metrics: Metrics;
  readonly #options: ApiServerOptions;
  readonly #deps: ApiServerDeps;
  readonly #draining = new AbortController();
  readonly #stopping = new AbortController();
  readonly #apps: FastifyInstance[] = [];
  #socket: PlacedSocket | null = null;
  #url: string | null = null;

  constructor(options: ApiServerOptions, deps: ApiServerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.metrics = deps.metrics;
  }

  /** `http(s)://host:port` of the network listener, when there is one. */
  get url(): string | null {
    return this.#url;
  }

  /** @throws ServerError SOCKET_IN_USE, SOCKET_PATH_TAKEN, INSECURE_LISTEN, LISTEN_FAILED, TLS_INVALID. */
  async start(signal: AbortSignal): Promise<void> {
    const { socketPath, tls } = this.#options;
    const listen = this.#options.listen === null ? null : parseListen(this.#options.listen);
    if (listen !== null && tls === null) refuseInsecure(listen.host);
    signal.throwIfAborted();
    const { context, metrics } = this.#deps;
    const stopping = this.#stopping.signal;
    const routeServer = new RouteServer({ context, metrics, stopping });
    const local = this.#build(routeServer, "local", null);
    const bind = (path: string): Promise<unknown> => listening(local, { path }, path);
    this.#socket = await placeSocket(socketPath, bind, context.clock);
    if (listen === null) return;
    const pair = tls === null ? null : await readPair(tls);
    const network = this.#build(routeServer, "token", pair);
    await listening(network, listen, `${listen.host}:${listen.port}`);
    const [address] = network.addresses();
    const port = typeof address === "object" ? address.port : listen.port;
    this.#url = origin(tls === null ? "http" : "https", listen.host, port);
  }

  /** From now on every answer asks its caller to close the connection, so that the next request goes elsewhere. */
  drain(): void {
    this.#draining.abort();
  }

  /**
   * Serves what is under way to its end, and takes no new connections. The socket's name goes first: a caller that
   * finds none knows that nothing happened, while one that waits to be accepted when a listener closes is reset.
   */
  async stop(): Promise<void> {
    this.drain();
    await this.#socket?.remove();
    this.#socket = null;
    if (this.#apps.length > 0) await delay(this.#deps.context.clock, drainMs);
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
    }
  }

  #build(routeServer: RouteServer, proof: Proof, tls: TlsPair | null): FastifyInstance {
    const { context, metrics } = this.#deps;
    let app: FastifyInstance;
    try {
      const draining = this.#draining.signal;
      app = buildApp({ proof, tls }, { context, metrics, routeServer, draining });
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

/** @throws ServerError LISTEN_FAILED. */
function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    throw new ServerError("LISTEN_FAILED", `"${text}" is no address to listen on; give HOST:PORT`);
  }
  return { host, port: Number(port) };
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
function refuseInsecure(host: string): void {
  if (isLoopback(host)) return;
  throw new ServerError(
    "INSECURE_LISTEN",
    `The API would be open to the network on "${host}" without encryption; give --api-tls-cert and --api-tls-key, or listen on 127.0.0.1`,
  );
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host === "localhost";
}

function origin(scheme: string, host: string, port: number): string {
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** @throws ServerError TLS_INVALID. */
async function readPair(files: { certFile: string; keyFile: string }): Promise<TlsPair> {
  const read = (file: string): Promise<string> =>
    readFile(file, "utf8").catch((error: unknown) => {
      const message = `Cannot read "${file}" for the API's TLS: ${errorMessage(error)}`;
      throw new ServerError("TLS_INVALID", message, {}, { cause: error });
    });
  return { cert: await read(files.certFile), key: await read(files.keyFile) };
}
