/**
 * From an HTTP request to a handler and back: checks query, body and conditions by the contract, waits for the
 * leader's confirmation where asked, and sends the value or the stream. Schemas are compiled once per agent.
 */
import { Readable } from "node:stream";
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type TSchema } from "typebox";
import { isJsonObject } from "../base/json.ts";
import { authorize, type Proof } from "./access.ts";
import { AnswerCache } from "./answer-cache.ts";
import { type ApiContext, type Caller } from "./context.ts";
import { type Endpoint, endpoints, type RouteName } from "./contract/endpoints.ts";
import { type Route, routes } from "./contract/routes.ts";
import { type ApiRequest, type Lines, type Reply } from "./handler.ts";
import { type DocumentRoute, handlers } from "./handlers/table.ts";
import { type Metrics } from "./metrics.ts";
import { openapiDocument } from "./openapi.ts";
import { generationSuffix } from "./places.ts";
import { ApiError } from "./problems.ts";
import { inputParser, type RouteInput } from "./route-input.ts";
import { formatFor, limitStall, streamMediaTypes, streamText } from "./stream-format.ts";
import { type Check, compileCheck } from "./validate.ts";

export interface RouteServerDeps {
  readonly context: ApiContext;
  readonly metrics: Metrics;
  readonly stopping: AbortSignal;
  /** Tests: refuses answers that do not fit their schema. */
  readonly checkAnswers?: boolean;
}

/** A stream is answered with its reply, whose end Fastify waits for; any other answer was sent when this returns. */
type Respond = (
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<FastifyReply | undefined> | FastifyReply | undefined;
type Authorization = (
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
) => void;
/** What the route's authorization notes of a request: kept on it, as a map beside would burden every collection. */
declare module "fastify" {
  interface FastifyRequest {
    caller: Caller | null;
    /** Null when no route of the contract was called. */
    endpoint: { readonly url: string; readonly stream: boolean } | null;
  }
}

export function decorateRequests(app: FastifyInstance): void {
  app.decorateRequest("caller", null);
  app.decorateRequest("endpoint", null);
}

type AnyHandler = (
  request: ApiRequest<RouteName>,
  context: ApiContext,
) => Reply<unknown> | Promise<Reply<unknown>> | Lines<unknown>;

const barrierTimeoutMs = 5000;
const mostStreams = 256;
const stallMs = 60_000;
/** Long listings that hang on the inventory alone, and that dashboards ask for again and again. */
const cacheable: ReadonlySet<RouteName> = new Set<RouteName>(["listNodes", "listJobs"]);

export class RouteServer {
  readonly #deps: RouteServerDeps;
  readonly #cache: AnswerCache;
  #streams = 0;

  constructor(deps: RouteServerDeps) {
    this.#deps = deps;
    this.#cache = new AnswerCache(deps.context);
  }

  /** Hook that runs before a body is read. */
  authorization(
    name: RouteName,
    { url, proof }: { readonly url: string; readonly proof: Proof },
  ): Authorization {
    const { auth: access, stream }: Endpoint = endpoints[name];
    const endpoint = { url, stream: stream === true };
    return (request, _, done) => {
      request.endpoint = endpoint;
      const header = request.headers.authorization;
      try {
        request.caller = authorize(this.#deps.context, { proof, header, access });
      } catch (error) {
        done(error as Error);
        return;
      }
      done();
    };
  }

  handler(name: RouteName): Respond {
    if (name === "getOpenapi" || name === "getMetrics") return this.#document(name);
    const endpoint: Endpoint = endpoints[name];
    const route: Route = routes[name];
    const parse = inputParser(endpoint, route, this.#deps.stopping);
    const handle = handlers[name] as unknown as AnyHandler;
    const checkAnswer = this.#deps.checkAnswers === true ? answerCheck(route) : null;
    const isCacheable = cacheable.has(name);
    const serve = (input: RouteInput, request: FastifyRequest, reply: FastifyReply) => {
      const { context } = this.#deps;
      if (endpoint.stream === true) {
        const { signal } = input;
        const lines = handle(input, context) as Lines<unknown>;
        return this.#sendStream(lines, { request, reply, signal });
      }
      const cached = isCacheable ? this.#cache.get(request.url) : null;
      if (cached !== null) return sendText(reply, cached);
      const place = isCacheable ? this.#cache.place : "";
      const finish = (answer: Reply<unknown>): undefined => {
        checkAnswer?.(answer);
        const text = answer.value === undefined ? undefined : JSON.stringify(answer.value);
        if (isCacheable && text !== undefined) this.#cache.put(request.url, text, place);
        return send(reply, { answer, text, route, context });
      };
      const answer = handle(input, context) as Reply<unknown> | Promise<Reply<unknown>>;
      return answer instanceof Promise ? answer.then(finish) : finish(answer);
    };
    return (request, reply) => {
      const input = parse(request, reply);
      if (!input.linearizable) return serve(input, request, reply);
      const confirmed = this.#deps.context.readBarrier(barrierTimeoutMs);
      return confirmed.then(() => serve(input, request, reply));
    };
  }

  #document(name: DocumentRoute): Respond {
    const { context, metrics } = this.#deps;
    if (name === "getMetrics") {
      return async (_, reply) => {
        void reply.type(metrics.contentType).send(await metrics.text());
        return undefined;
      };
    }
    let text: string | null = null;
    return (_, reply) => {
      text ??= JSON.stringify(openapiDocument(context.identity().version));
      return sendText(reply, text);
    };
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
  readonly context: ApiContext;
}

function send(reply: FastifyReply, { answer, text, route, context }: Sent): undefined {
  const { version } = answer;
  if (version !== undefined) {
    reply.header("etag", `"${version}${generationSuffix(context, version)}"`);
  }
  reply.code(answer.status ?? route.status);
  if (text !== undefined) return sendText(reply, text);
  void reply.send();
}

function sendText(reply: FastifyReply, text: string): undefined {
  void reply.type("application/json").send(text);
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
