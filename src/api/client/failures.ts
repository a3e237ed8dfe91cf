/**
 * What can go wrong between client and agent, as coded errors. A connection that breaks under a write leaves its
 * outcome unknown, and is reported so; a read can simply be asked again.
 */
import { AgentError, errorCode, errorMessage } from "../../base/errors.ts";
import { asApiCode, type ApiCode } from "../contract/codes.ts";
import type { Problem } from "../contract/problem.ts";
import { type Target, targetText } from "./target.ts";

/**
 * - `NO_AGENT`: nobody answers at the address.
 * - `CONNECTION_LOST`: the connection broke under a read.
 * - `BAD_ANSWER`: what answers does not speak this API.
 * - `GAVE_UP`: the caller's own time limit for a read.
 */
export type ClientCode = ApiCode | "NO_AGENT" | "CONNECTION_LOST" | "BAD_ANSWER" | "GAVE_UP";

const notThere = new Set([
  "ECONNREFUSED",
  "ENOENT",
  "ENOTSOCK",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);

export interface Attempt {
  readonly target: Target;
  readonly write: boolean;
  /** True when the request may have reached the agent. */
  readonly sent: boolean;
}

/** An error of the socket as an AgentError; one that is one already stays as it is. */
export function connectionFailure(error: unknown, attempt: Attempt): AgentError {
  if (error instanceof AgentError) return error;
  const where = targetText(attempt.target);
  const code = errorCode(error) ?? "";
  const options = { cause: error };
  if (code === "EACCES" || code === "EPERM") {
    const message = `No permission to use ${where}; run as the user of the agent, or as root`;
    return new AgentError<ClientCode>("FORBIDDEN", message, {}, options);
  }
  if (/CERT|SSL|TLS/.test(code)) {
    const message = `No trusted agent answers at ${where}: ${errorMessage(error)}; give the CA of its certificate`;
    return new AgentError<ClientCode>("NO_AGENT", message, {}, options);
  }
  if (notThere.has(code) || !attempt.sent) {
    const message = `No agent answers at ${where} (${code || errorMessage(error)}); is it running?`;
    return new AgentError<ClientCode>("NO_AGENT", message, {}, options);
  }
  if (attempt.write) return unknownOutcome(`The connection to ${where} broke`, error);
  const message = `The connection to ${where} broke: ${errorMessage(error)}`;
  return new AgentError<ClientCode>("CONNECTION_LOST", message, {}, options);
}

export function timeoutFailure(attempt: Attempt, timeoutMs: number): AgentError {
  const what = `${targetText(attempt.target)} did not answer within ${timeoutMs} ms`;
  if (!attempt.sent) return new AgentError<ClientCode>("NO_AGENT", `No agent: ${what}`);
  if (attempt.write) return unknownOutcome(what, undefined);
  return new AgentError<ClientCode>("GAVE_UP", `Gave up: ${what}`);
}

function unknownOutcome(what: string, cause: unknown): AgentError {
  const message = `${what}: the change may or may not have happened; look before trying again`;
  return new AgentError<ClientCode>("UNKNOWN_OUTCOME", message, {}, { cause });
}

/** A problem answer as an AgentError: `details` holds the status and all extension members. */
export function problemFailure(
  status: number,
  body: unknown,
  retryAfter: string | null,
): AgentError {
  const problem = isProblem(body) ? body : null;
  if (problem === null) {
    const message = `The answer with status ${status} is not one of a Muster agent`;
    return new AgentError<ClientCode>("BAD_ANSWER", message, { status });
  }
  const { code, detail, problems, details, id } = problem;
  return new AgentError<string>(asApiCode(code) ?? code, detail, {
    ...details,
    status,
    ...(problems === undefined ? {} : { problems }),
    ...(id === undefined ? {} : { id }),
    ...(retryAfter === null ? {} : { retryAfter: Number(retryAfter) }),
  });
}

function isProblem(body: unknown): body is Problem {
  return (
    typeof body === "object" &&
    body !== null &&
    "code" in body &&
    typeof body.code === "string" &&
    "detail" in body &&
    typeof body.detail === "string"
  );
}
