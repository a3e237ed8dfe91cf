/**
 * Errors as RFC 9457 problem details. The status hangs on the code alone (contract/codes.ts); what is not an
 * AgentError with a code of the contract is INTERNAL: it is logged whole under an id, and the caller sees the id.
 */
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { asApiCode, codes, type ApiCode } from "./contract/codes.ts";
import { type Problem, type ProblemEntry } from "./contract/problem.ts";

/** Codes that any route can answer with. */
export const everywhere = [
  "INVALID_REQUEST",
  "UNKNOWN_FIELD",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "NO_LEADER",
  "BUSY",
  "STOPPED",
  "INTERNAL",
] as const satisfies readonly ApiCode[];

export class ApiError extends AgentError<ApiCode> {}

/** Other names for the same thing: what lower layers and Fastify say, by their code. */
const aliases: Readonly<Record<string, ApiCode>> = {
  NOT_LEADER: "NO_LEADER",
  PEER_LOST: "UNKNOWN_OUTCOME",
  RPC_TIMEOUT: "UNKNOWN_OUTCOME",
  PEER_UNREACHABLE: "NO_LEADER",
  RPC_OVERLOADED: "BUSY",
  GOSSIP_EVENT_INVALID: "INVALID_REQUEST",
  GOSSIP_EVENT_TOO_LARGE: "TOO_LARGE",
  GOSSIP_EVENT_REFUSED: "TOO_MANY_REQUESTS",
  GOSSIP_NOT_RUNNING: "STOPPED",
  FST_ERR_CTP_BODY_TOO_LARGE: "TOO_LARGE",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
  FST_ERR_CTP_EMPTY_JSON_BODY: "MALFORMED_JSON",
  FST_ERR_CTP_INVALID_JSON_BODY: "MALFORMED_JSON",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "INVALID_REQUEST",
  FST_ERR_BAD_URL: "INVALID_REQUEST",
  FST_ERR_MAX_PARAM_LENGTH: "INVALID_REQUEST",
};

const wording: Readonly<Partial<Record<string, string>>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "The request body is larger than 1 MiB (1048576 bytes)",
  FST_ERR_CTP_INVALID_MEDIA_TYPE:
    "The body must be application/json (or application/merge-patch+json for PATCH)",
  FST_ERR_CTP_EMPTY_JSON_BODY: "The body is empty; a JSON object is expected",
  FST_ERR_BAD_URL: "The path holds a malformed percent escape",
  // Fastify's own would send the whole path back.
  FST_ERR_MAX_PARAM_LENGTH:
    "A name in the path has more than 1024 characters; nothing has such a name",
};

/** Seconds after which trying again makes sense, for 503 answers. */
const retryAfter: Readonly<Partial<Record<ApiCode, number>>> = {
  NO_LEADER: 1,
  READ_ONLY: 5,
  TOO_MANY_REQUESTS: 1,
  BUSY: 1,
  STOPPED: 1,
  NO_CLUSTER: 5,
  NOT_READY: 1,
};

/** Characters of a message that go into the log: what made it fail may have been sent by anyone. */
const mostLogged = 4096;

export interface ProblemAnswer {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ProblemDeps {
  readonly logger: Logger;
  readonly newId: () => string;
}

/** The answer to anything that was thrown while a request was handled. */
export function toProblem(error: unknown, deps: ProblemDeps): ProblemAnswer {
  const thrown = errorCode(error) ?? "";
  const code = asApiCode(thrown) ?? aliases[thrown] ?? null;
  if (code === null || code === "INTERNAL") return internal(error, deps);
  const details = error instanceof AgentError ? error.details : {};
  const { problems, ...rest } = details;
  const entries = problemEntries(problems);
  return {
    problem: {
      ...problemOf(code, wording[thrown] ?? errorMessage(error)),
      ...(entries === null ? {} : { problems: entries }),
      ...(Object.keys(rest).length === 0 ? {} : { details: rest }),
    },
    headers: headersFor(code, rest),
  };
}

export function problemOf(code: ApiCode, detail: string): Problem {
  const { status, title } = codes[code];
  return { type: `urn:muster:problem:${code}`, title, status, detail, code };
}

function internal(error: unknown, { logger, newId }: ProblemDeps): ProblemAnswer {
  const id = newId();
  const stack = error instanceof Error ? error.stack : undefined;
  const cause =
    error instanceof Error && error.cause !== undefined ? errorMessage(error.cause) : null;
  const message = errorMessage(error);
  const said = message.length > mostLogged ? `${message.slice(0, mostLogged)}…` : message;
  logger.error(
    { id, error: said, stack: stack?.slice(0, mostLogged), cause },
    "request failed unexpectedly",
  );
  const detail = `Something went wrong inside the agent; its log has the details under id ${id}`;
  return { problem: { ...problemOf("INTERNAL", detail), id }, headers: {} };
}

function headersFor(
  code: ApiCode,
  details: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  if (code === "UNAUTHENTICATED") return { "www-authenticate": "Bearer" };
  const seconds = retryAfter[code];
  if (seconds === undefined) return {};
  const asked = details["retryAfterMs"];
  const wanted = typeof asked === "number" ? Math.ceil(asked / 1000) : seconds;
  return { "retry-after": String(Math.max(1, wanted)) };
}

function problemEntries(problems: unknown): readonly ProblemEntry[] | null {
  if (!Array.isArray(problems)) return null;
  return problems.filter(
    (entry): entry is ProblemEntry =>
      typeof entry === "object" &&
      entry !== null &&
      "message" in entry &&
      typeof entry.message === "string",
  );
}
