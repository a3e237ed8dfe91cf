/**
 * Typed client of the API, for CLI and programs: one method for all routes, one for streams. It loads nothing but
 * the endpoint table (schemas are types here), as every invocation of the CLI pays for what is imported.
 */
import { type IncomingMessage } from "node:http";
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { exchange, type Outgoing, readText } from "./client/exchange.ts";
import { problemFailure } from "./client/failures.ts";
import { follow } from "./client/follow.ts";
import { type Target } from "./client/target.ts";
import { endpoints } from "./contract/endpoints.ts";
import type { ParamsOf, RouteName, StreamName } from "./contract/endpoints.ts";
import type { AnswerOf, BodyOf, QueryOf } from "./contract/routes.ts";

type Given<Key extends string, Value> = [Value] extends [undefined]
  ? { readonly [K in Key]?: never }
  : { readonly [K in Key]?: Value };

/** What a request carries; params are required where the path has some. */
export type RequestOf<Name extends RouteName> = Given<"query", QueryOf<Name>> &
  Given<"body", BodyOf<Name>> &
  ([keyof ParamsOf<Name>] extends [never] ? object : { readonly params: ParamsOf<Name> });

export interface CallOptions {
  /** Write only if the record still has this ETag; null: only if it does not exist. */
  readonly ifMatch?: string | null;
  /** Makes a repeated write happen once. */
  readonly idempotencyKey?: string;
  readonly linearizable?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Answer<Value> {
  readonly status: number;
  readonly value: Value;
  /** Of the record as it is in the answer. */
  readonly etag: string | null;
  /** Raft index the answering agent had applied; its mode; and how long ago it heard the leader. */
  readonly index: number | null;
  readonly mode: string | null;
  readonly leaderContactMs: number | null;
}

export interface ClientOptions {
  readonly target: Target;
  /** For one call; streams have no limit in total. */
  readonly timeoutMs?: number;
  /** How long a broken stream is tried again before it fails. */
  readonly streamGiveUpMs?: number;
  /** Told the mode of the cluster that each answer was given in: `normal`, `read-only` … */
  readonly onMode?: (mode: string) => void;
}

const defaultTimeoutMs = 30_000;
const defaultGiveUpMs = 60_000;

export class ApiClient {
  readonly #options: ClientOptions;
  readonly #clock: Clock;

  constructor(options: ClientOptions, deps: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = deps.clock;
  }

  /**
   * Calls a route. @throws AgentError with the code of the problem answer (details: status, problems, …), or
   * NO_AGENT, CONNECTION_LOST, GAVE_UP, UNKNOWN_OUTCOME, BAD_ANSWER, FORBIDDEN.
   */
  async call<Name extends Exclude<RouteName, StreamName>>(
    name: Name,
    request: RequestOf<Name>,
    options: CallOptions = {},
  ): Promise<Answer<AnswerOf<Name>>> {
    const outgoing = this.#outgoing(name, request, options);
    const message = await this.#send(outgoing);
    const type = message.headers["content-type"] ?? "";
    const text = await this.#read(message, outgoing);
    const value: unknown = text !== "" && type.includes("json") ? parseJson(text) : text;
    const mode = textOf(message.headers["muster-mode"]);
    if (mode !== null) this.#options.onMode?.(mode);
    return {
      status: message.statusCode ?? 0,
      value: (text === "" ? undefined : value) as AnswerOf<Name>,
      etag: textOf(message.headers.etag),
      index: numberOf(message.headers["muster-index"]),
      mode,
      leaderContactMs: numberOf(message.headers["muster-leader-contact-ms"]),
    };
  }

  /** Prometheus text of the agent. */
  async metrics(options: CallOptions = {}): Promise<string> {
    const outgoing = this.#outgoing("getMetrics", {}, options);
    return this.#read(await this.#send(outgoing), outgoing);
  }

  /** Lines of a stream; goes on after a dropped connection where it was, until the stream ends. */
  stream<Name extends StreamName>(
    name: Name,
    request: RequestOf<Name>,
    options: Pick<CallOptions, "signal"> = {},
  ): AsyncGenerator<AnswerOf<Name>, void, undefined> {
    const open = async (lastId: string | null): Promise<IncomingMessage> => {
      const outgoing = this.#outgoing(name, request, options);
      const resume = lastId === null ? {} : { "last-event-id": lastId };
      const headers = { ...outgoing.headers, accept: "text/event-stream", ...resume };
      return this.#send({ ...outgoing, headers });
    };
    const lines = follow({
      open,
      clock: this.#clock,
      signal: options.signal,
      giveUpMs: this.#options.streamGiveUpMs ?? defaultGiveUpMs,
    });
    return lines as AsyncGenerator<AnswerOf<Name>, void, undefined>;
  }

  #read(message: IncomingMessage, { method, timeoutMs }: Outgoing): Promise<string> {
    const attempt = { target: this.#options.target, write: method !== "GET", sent: true };
    return readText(message, { attempt, timeoutMs, clock: this.#clock });
  }

  #outgoing(name: RouteName, request: AnyRequest, options: CallOptions): Outgoing {
    const { method, path } = endpoints[name];
    const query = queryText(request.query, options.linearizable === true);
    const base = this.#options.target.kind === "url" ? this.#options.target.url.pathname : "/";
    return {
      method,
      path: base.replace(/\/$/, "") + fillPath(path, request.params ?? {}) + query,
      headers: headersFor(method, request, options),
      body: request.body === undefined ? null : JSON.stringify(request.body),
      timeoutMs: options.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs,
      signal: options.signal,
    };
  }

  async #send(outgoing: Outgoing): Promise<IncomingMessage> {
    const { target } = this.#options;
    const message = await exchange(target, outgoing, this.#clock);
    const status = message.statusCode ?? 0;
    if (status >= 200 && status < 300) return message;
    const text = await this.#read(message, outgoing);
    throw problemFailure(status, parseOrNull(text), message.headers["retry-after"] ?? null);
  }
}

interface AnyRequest {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: object | undefined;
  readonly body?: unknown;
}

function headersFor(
  method: string,
  request: AnyRequest,
  options: CallOptions,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (request.body !== undefined) {
    headers["content-type"] =
      method === "PATCH" ? "application/merge-patch+json" : "application/json";
  }
  if (options.ifMatch === null) headers["if-none-match"] = "*";
  else if (options.ifMatch !== undefined) headers["if-match"] = options.ifMatch;
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  return headers;
}

/** Fills `{name}` in; values are escaped, so that no name can leave its segment. */
function fillPath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, key: string) => {
    const value = params[key] ?? "";
    if (value === "" || value === "." || value === "..") {
      throw new AgentError("INVALID_REQUEST", `"${value}" cannot be the ${key} in ${path}`);
    }
    return encodeURIComponent(value);
  });
}

function queryText(query: object | undefined, linearizable: boolean): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.set(key, String(value));
  }
  if (linearizable) search.set("consistency", "linearizable");
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

function parseJson(text: string): unknown {
  const value = parseOrNull(text);
  if (value === null) throw new AgentError("BAD_ANSWER", "The answer is not JSON");
  return value;
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function textOf(header: string | readonly string[] | undefined): string | null {
  return typeof header === "string" ? header : null;
}

function numberOf(header: string | readonly string[] | undefined): number | null {
  const text = textOf(header);
  return text === null || !/^\d+(\.\d+)?$/.test(text) ? null : Number(text);
}
