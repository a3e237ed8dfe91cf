/**
 * The HTTP application: every route of the contract, the headers of every answer, errors as problem details. One
 * instance per listener; it runs without a socket too (Fastify's `inject`).
 */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Proof } from "./access.ts";
import { clientErrorAnswer } from "./client-error.ts";
import { type ApiContext } from "./context.ts";
import { endpoints, type Endpoint, type RouteName } from "./contract/endpoints.ts";
import { problemMediaType } from "./contract/problem.ts";
import { maxBodyBytes } from "./contract/wire.ts";
import { readJsonBodies } from "./json-body.ts";
import { lingerAfter } from "./lingering-close.ts";
import { type Metrics } from "./metrics.ts";
import { withMissingVoters } from "./missing-voters.ts";
import { ApiError, toProblem } from "./problems.ts";
import { decorateRequests, type RouteServer } from "./route-server.ts";

export interface TlsPair {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface AppOptions {
  readonly proof: Proof;
  readonly tls: TlsPair | null;
}

export interface AppDeps {
  readonly context: ApiContext;
  readonly metrics: Metrics;
  readonly routeServer: RouteServer;
  /** Aborted when the server is about to stop. */
  readonly draining: AbortSignal;
}

const limits = {
  headerBytes: 16 * 1024,
  headersTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 60_000,
  requestsAtOnce: 1024,
} as const;

export function buildApp(options: AppOptions, deps: AppDeps): FastifyInstance {
  const app = create(options, deps);
  decorateRequests(app);
  readJsonBodies(app);
  addLimitAndMetrics(app, deps);
  app.addHook("onSend", (request, reply, payload, done) => {
    addHeaders(request, reply, deps);
    done(null, payload);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, { request, reply, deps }));
  app.setNotFoundHandler((request, reply) => {
    sendProblem(noSuchRoute(request, reply), { request, reply, deps });
  });
  for (const name of Object.keys(endpoints) as RouteName[]) {
    const endpoint: Endpoint = endpoints[name];
    const url = endpoint.path.replaceAll(/\{(\w+)\}/g, ":$1");
    app.route({
      method: endpoint.method,
      url,
      exposeHeadRoute: endpoint.method === "GET" && endpoint.stream !== true,
      onRequest: deps.routeServer.authorization(name, { url, proof: options.proof }),
      handler: deps.routeServer.handler(name),
    });
  }
  return app;
}

function create({ tls }: AppOptions, deps: AppDeps): FastifyInstance {
  const http = { maxHeaderSize: limits.headerBytes, headersTimeout: limits.headersTimeoutMs };
  const common = {
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
    clientErrorHandler: clientErrorAnswer,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      addHeaders(request, reply, deps);
      sendProblem(error, { request, reply, deps });
    },
  };
  if (tls === null) return fastify({ ...common, http });
  const secure = fastify({ ...common, https: { ...http, ...tls, minVersion: "TLSv1.2" } });
  return secure;
}

function addLimitAndMetrics(app: FastifyInstance, { metrics }: AppDeps): void {
  let running = 0;
  app.addHook("onRequest", (request, reply, done) => {
    const begunMs = metrics.requestBegins();
    running += 1;
    // Fastify's own hooks stay silent for a caller who hangs up before the answer; a close always comes.
    reply.raw.on("close", () => {
      running -= 1;
      const { endpoint, method } = request;
      if (endpoint?.stream === true) return;
      // Asking Fastify for the route costs an object of a dozen fields: only where none was called.
      const route = endpoint?.url ?? request.routeOptions.url ?? "none";
      metrics.requestEnded(begunMs, route, method, reply.statusCode);
    });
    if (running > limits.requestsAtOnce) {
      done(
        new ApiError("BUSY", `More than ${limits.requestsAtOnce} requests at a time; try again`),
      );
    } else done();
  });
}

function addHeaders(
  request: FastifyRequest,
  reply: FastifyReply,
  { context, draining }: AppDeps,
): void {
  const contact = context.leaderContactMs();
  reply.header("muster-index", context.view.appliedIndex);
  reply.header("muster-mode", context.mode());
  reply.header("muster-generation", generationText(context));
  // -1: this agent never heard of a leader.
  reply.header("muster-leader-contact-ms", contact === null ? -1 : Math.round(contact));
  if (draining.aborted) reply.header("connection", "close");
  if (reply.statusCode >= 400 && hasUnreadBody(request)) {
    reply.header("connection", "close");
    lingerAfter(request.raw, context.clock);
  }
}

/** `2/1f0c55a1; provisional`: depth and id of the history that this answer is from. */
function generationText(context: ApiContext): string {
  const lineage = context.lineage();
  const current = lineage?.generations().at(-1);
  if (lineage === null || current === undefined) return String(context.generation());
  const text = `${current.n}/${current.id.slice(0, 8)}`;
  return lineage.isProvisional() ? `${text}; provisional` : text;
}

function hasUnreadBody({ headers, raw }: FastifyRequest): boolean {
  const announced =
    headers["transfer-encoding"] !== undefined || Number(headers["content-length"]) > 0;
  return announced && !raw.complete;
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly deps: AppDeps;
}

function sendProblem(error: unknown, { reply, deps }: Exchange): void {
  const { logger, newId } = { logger: deps.context.logger, newId: () => deps.context.newId() };
  const { problem, headers } = toProblem(withMissingVoters(error, deps.context), { logger, newId });
  void reply
    .code(problem.status)
    .headers(headers)
    .type(problemMediaType)
    .send(JSON.stringify(problem));
}

/** 405 with the methods there are, where only the method is wrong. */
function noSuchRoute(request: FastifyRequest, reply: FastifyReply): ApiError {
  const path = request.url.split("?")[0] ?? "";
  const allowed = Object.values(endpoints)
    .filter((endpoint) => matches(endpoint.path, path))
    .map(({ method }) => method);
  if (allowed.length === 0) {
    return new ApiError(
      "NO_SUCH_ROUTE",
      `There is no ${path}; see /openapi.json for what there is`,
    );
  }
  reply.header("allow", allowed.join(", "));
  return new ApiError(
    "METHOD_NOT_ALLOWED",
    `${request.method} is not possible on ${path}; possible: ${allowed.join(", ")}`,
  );
}

function matches(template: string, path: string): boolean {
  const expected = template.split("/");
  const given = path.split("/");
  return (
    expected.length === given.length &&
    expected.every((part, at) => part.startsWith("{") || part === given[at])
  );
}
