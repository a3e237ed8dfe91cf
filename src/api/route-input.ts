/**
 * What a handler gets of a request: query, body and conditions, checked by the contract. Made for every request, so it
 * is one plain object, and what few handlers ask for (the signal) is made when it is asked for.
 */
import { type FastifyReply, type FastifyRequest } from "fastify";
import { Type } from "typebox";
import { idempotency, ifWrittenAt } from "./conditions.ts";
import { type Endpoint, type RouteName } from "./contract/endpoints.ts";
import { type Route } from "./contract/routes.ts";
import { closed } from "./contract/wire.ts";
import { type ApiRequest } from "./handler.ts";
import { ApiError } from "./problems.ts";
import { compileCheck, convertQuery } from "./validate.ts";

const nothing = Type.Object({}, closed);

/** The parts that are read from the request itself. */
type Parsed = Omit<ApiRequest<RouteName>, "by" | "signal" | "params">;

export class RouteInput implements ApiRequest<RouteName> {
  readonly params: ApiRequest<RouteName>["params"];
  readonly query: ApiRequest<RouteName>["query"];
  readonly body: ApiRequest<RouteName>["body"];
  readonly by: string;
  readonly condition: ApiRequest<RouteName>["condition"];
  readonly idempotency: ApiRequest<RouteName>["idempotency"];
  readonly lastEventId: string | null;
  /** The answer waits until the leader has confirmed that this replica misses nothing. */
  readonly linearizable: boolean;
  readonly #reply: FastifyReply;
  readonly #stopping: AbortSignal;
  #signal: AbortSignal | null = null;

  constructor(
    { query, body, condition, idempotency: key, lastEventId }: Parsed,
    linearizable: boolean,
    { reply, stopping }: { readonly reply: FastifyReply; readonly stopping: AbortSignal },
  ) {
    const { params, caller } = reply.request;
    this.params = params as ApiRequest<RouteName>["params"];
    this.query = query;
    this.body = body;
    this.by = caller?.actor ?? "anonymous";
    this.condition = condition;
    this.idempotency = key;
    this.lastEventId = lastEventId;
    this.linearizable = linearizable;
    this.#reply = reply;
    this.#stopping = stopping;
  }

  get signal(): AbortSignal {
    return (this.#signal ??= untilOver(this.#reply, this.#stopping));
  }
}

/** Aborts when the caller hangs up, or the server stops. */
function untilOver(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
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

type ParseInput = (request: FastifyRequest, reply: FastifyReply) => RouteInput;

/** @throws ApiError, as what it returns does, for what does not fit the contract. */
export function inputParser(endpoint: Endpoint, route: Route, stopping: AbortSignal): ParseInput {
  const querySchema = route.query ?? nothing;
  const checkQuery = compileCheck(querySchema, "query");
  const checkBody = compileCheck(route.body ?? nothing, "body");
  const isWrite = endpoint.method !== "GET";
  return (request, reply) => {
    const given = request.query as Readonly<Record<string, unknown>>;
    const body = checkBody(givenBody(request, route));
    const { method, url, headers } = request;
    const lastEventId = headers["last-event-id"];
    return new RouteInput(
      {
        query: checkQuery(convertQuery(querySchema, given)) as Parsed["query"],
        body: body as Parsed["body"],
        condition: isWrite ? conditionOf(request, route) : undefined,
        idempotency: isWrite ? idempotency(headers, { method, url, body: request.body }) : null,
        lastEventId: typeof lastEventId === "string" && lastEventId !== "" ? lastEventId : null,
      },
      isLinearizable(given["consistency"]),
      { reply, stopping },
    );
  };
}

function givenBody({ body }: FastifyRequest, route: Route): unknown {
  const required = route.body !== undefined && route.bodyOptional !== true;
  if (body === undefined && required) {
    throw new ApiError("INVALID_REQUEST", "A JSON body is needed, as application/json");
  }
  return body ?? (required ? body : {});
}

function conditionOf(
  { headers }: FastifyRequest,
  route: Route,
): ApiRequest<RouteName>["condition"] {
  const place = ifWrittenAt(headers);
  if (place === undefined || route.conditional === true) return place;
  throw new ApiError("INVALID_REQUEST", "This request cannot be conditional (If-Match)");
}

function isLinearizable(consistency: unknown): boolean {
  if (consistency === undefined || consistency === "local") return false;
  if (consistency === "linearizable") return true;
  const message = `"consistency" must be local or linearizable, not "${String(consistency)}"`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "consistency", message }] });
}
