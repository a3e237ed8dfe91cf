/**
 * From an HTTP request to a handler and back: checks query, body and conditions by the contract, waits for the
 * leader's confirmation where asked, and sends the value or the stream. Schemas are compiled once per agent.
 */
import { Readable } from "node:stream";
import { type FastifyReply, type FastifyRequest } from "fastify";
import { Type, type TSchema } from "typebox";
import { isJsonObject } from "../base/json.ts";
import { authorize, type Proof } from "./access.ts";
import { AnswerCache } from "./answer-cache.ts";
import { etag, idempotency, ifVersion } from "./conditions.ts";
import { type ApiContext, type Caller } from "./context.ts";
import { type Endpoint, endpoints, type RouteName } from "./contract/endpoints.ts";
import { type Route, routes } from "./contract/routes.ts";
import { closed } from "./contract/wire.ts";
import { type ApiRequest, type Lines, type Reply } from "./handler.ts";
import { type DocumentRoute, handlers } from "./handlers/table.ts";
import { type Metrics } from "./metrics.ts";
import { openapiDocument } from "./openapi.ts";
import { ApiError } from "./problems.ts";
import { formatFor, limitStall, streamMediaTypes, streamText } from "./stream-format.ts";
import { type Check, compileCheck, convertQuery } from "./validate.ts";

export interface RouteServerDeps {
  readonly context: ApiContext;
  readonly metrics: Metrics;
  readonly stopping: AbortSignal;
  /** Tests: refuses answers that do not fit their schema. */
  readonly checkAnswers?: boolean;
}

type Respond = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
type AnyHandler = (
  request: ApiRequest<RouteName>,
  context: ApiContext,
) => Reply<unknown> | Promise<Reply<unknown>> | Lines<unknown>;

const barrierTimeoutMs = 5000;
const mostStreams = 256;
const stallMs = 60_000;
/** Long listings that hang on the inventory alone, and that dashboards ask for again and again. */
const cacheable: ReadonlySet<RouteName> = new Set<RouteName>(["listNodes", "listJobs"]);
const nothing = Type.Object({}, closed);

export class RouteServer {
  readonly #deps: RouteServerDeps;
  readonly #callers = new WeakMap<FastifyRequest, Caller>();
  readonly #cache: AnswerCache;
  #streams = 0;

  constructor(deps: RouteServerDeps) {
    this.#deps = deps;
    this.#cache = new AnswerCache(deps.context.view);
  }

  /** Hook that runs before a body is read. */
  authorization(name: RouteName, proof: Proof): Respond {
    const { auth } = endpoints[name];
    return async (request) => {
      const header = request.headers.authorization;
      const caller = await authorize(this.#deps.context, { proof, header, access: auth });
      this.#callers.set(request, caller);
    };
  }

  handler(name: RouteName): Respond {
    if (name === "getOpenapi" || name === "getMetrics") return this.#document(name);
    const endpoint: Endpoint = endpoints[name];
    const route: Route = routes[name];
    const parse = requestParser(endpoint, route);
    const handle = handlers[name] as unknown as AnyHandler;
    const checkAnswer = this.#deps.checkAnswers === true ? answerCheck(route) : null;
    return async (request, reply) => {
      const { context } = this.#deps;
      const parsed = parse(request);
      if (parsed.linearizable) await context.readBarrier(barrierTimeoutMs);
      const by = this.#callers.get(request)?.actor ?? "anonymous";
      const input = this.#input(parsed.input, by, reply) as ApiRequest<RouteName>;
      if (endpoint.stream === true) {
        const { signal } = input;
        const lines = handle(input, context) as Lines<unknown>;
        return this.#sendStream(lines, { request, reply, signal });
      }
      const cached = cacheable.has(name) ? this.#cache.get(request.url) : null;
      if (cached !== null) return reply.type("application/json").send(cached);
      const index = context.view.appliedIndex;
      const answer = (await handle(input, context)) as Reply<unknown>;
      checkAnswer?.(answer);
      const text = answer.value === undefined ? undefined : JSON.stringify(answer.value);
      if (cacheable.has(name) && text !== undefined) this.#cache.put(request.url, text, index);
      return send(reply, { answer, text, route });
    };
  }

  #document(name: DocumentRoute): Respond {
    const { context, metrics } = this.#deps;
    if (name === "getMetrics") {
      return async (_, reply) => reply.type(metrics.contentType).send(await metrics.text());
    }
    let text: string | null = null;
    return async (_, reply) => {
      text ??= JSON.stringify(openapiDocument(context.identity().version));
      return reply.type("application/json").send(text);
    };
  }

  /** Most handlers never ask for the signal, so it is made when asked for. */
  #input(given: Parsed["input"], by: string, reply: FastifyReply): object {
    let signal: AbortSignal | null = null;
    const make = (): AbortSignal => this.#signal(reply);
    return {
      ...given,
      by,
      get signal() {
        return (signal ??= make());
      },
    };
  }

  /** Aborts when the caller hangs up, or the server stops. */
  #signal(reply: FastifyReply): AbortSignal {
    const { stopping } = this.#deps;
    const controller = new AbortController();
    const stop = (): void => controller.abort(new ApiError("STOPPED", "This agent is stopping"));
    const over = (): void => {
      stopping.removeEventListener("abort", stop);
      if (!reply.raw.writableFinished) controller.abort(new DOMException("Hung up", "AbortError"));
    };
    if (stopping.aborted) stop();
    stopping.addEventListener("abort", stop, { once: true });
    if (reply.raw.closed) over();
    else reply.raw.once("close", over);
    return controller.signal;
  }

  #sendStream(
    lines: Lines<unknown>,
    {
      request,
      reply,
      signal,
    }: { request: FastifyRequest; reply: FastifyReply; signal: AbortSignal },
  ): FastifyReply {
    if (this.#streams >= mostStreams) {
      throw new ApiError("BUSY", `${mostStreams} streams are open on this agent; ask another one`);
    }
    const { context, metrics } = this.#deps;
    const format = formatFor(request.headers.accept);
    metrics.setOpenStreams((this.#streams += 1));
    reply.raw.once("close", () => metrics.setOpenStreams((this.#streams -= 1)));
    const { clock, logger } = context;
    const text = streamText(lines, { format, clock, signal });
    const limited = limitStall(text, { clock, stallMs, onStall: () => reply.raw.destroy() });
    const body = Readable.from(limited, { objectMode: false });
    body.on("error", (error) => {
      if (!signal.aborted)
        logger.warn({ url: request.url, error: error.message }, "stream broke off");
    });
    return reply
      .type(streamMediaTypes[format])
      .header("cache-control", "no-store")
      .header("x-accel-buffering", "no")
      .send(body);
  }
}

interface Sent {
  readonly answer: Reply<unknown>;
  readonly text: string | undefined;
  readonly route: Route;
}

function send(reply: FastifyReply, { answer, text, route }: Sent): FastifyReply {
  if (answer.version !== undefined) reply.header("etag", etag(answer.version));
  reply.code(answer.status ?? route.status);
  return text === undefined ? reply.send() : reply.type("application/json").send(text);
}

interface Parsed {
  readonly input: Omit<ApiRequest<RouteName>, "by" | "signal">;
  readonly linearizable: boolean;
}

function requestParser(endpoint: Endpoint, route: Route): (request: FastifyRequest) => Parsed {
  const querySchema = route.query ?? nothing;
  const checkQuery = compileCheck(querySchema, "query");
  const checkBody = compileCheck(route.body ?? nothing, "body");
  const isWrite = endpoint.method !== "GET";
  return (request) => {
    const { consistency, ...query } = request.query as Readonly<Record<string, unknown>>;
    const body = checkBody(givenBody(request, route));
    const { method, url, headers } = request;
    const lastEventId = headers["last-event-id"];
    return {
      linearizable: isLinearizable(consistency),
      input: {
        params: request.params as ApiRequest<RouteName>["params"],
        query: checkQuery(convertQuery(querySchema, query)) as ApiRequest<RouteName>["query"],
        body: body as ApiRequest<RouteName>["body"],
        ifVersion: isWrite ? condition(request, route) : undefined,
        idempotency: isWrite ? idempotency(headers, { method, url, body: request.body }) : null,
        lastEventId: typeof lastEventId === "string" && lastEventId !== "" ? lastEventId : null,
      },
    };
  };
}

function givenBody({ body }: FastifyRequest, route: Route): unknown {
  const required = route.body !== undefined && route.bodyOptional !== true;
  if (body === undefined && required) {
    throw new ApiError("INVALID_REQUEST", "A JSON body is needed, as application/json");
  }
  return body ?? (required ? body : {});
}

function condition({ headers }: FastifyRequest, route: Route): number | undefined {
  const version = ifVersion(headers);
  if (version === undefined || route.conditional === true) return version;
  throw new ApiError("INVALID_REQUEST", "This request cannot be conditional (If-Match)");
}

function isLinearizable(consistency: unknown): boolean {
  if (consistency === undefined || consistency === "local") return false;
  if (consistency === "linearizable") return true;
  const message = `"consistency" must be local or linearizable, not "${String(consistency)}"`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "consistency", message }] });
}

function answerCheck({ response, otherwise }: Route): (answer: Reply<unknown>) => void {
  const compile = (schema: TSchema | null | undefined): Check | null =>
    schema === null || schema === undefined ? null : compileCheck(schema, "answer");
  const normal = compile(response);
  const other = compile(otherwise?.response);
  return ({ value, status }) => {
    const check = status !== undefined && status === otherwise?.status ? other : normal;
    if (isJsonObject(value) || check !== null) check?.(value);
  };
}
