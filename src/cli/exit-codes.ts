/**
 * Exit codes of the CLI (interfaces.md): 0 done and true; 1 failed; 2 usage; 3 differences; 4 not found; 5
 * refused; 6 no agent or no writable cluster; 7 not allowed; 75 an agent whose disk is
 * full or fails (sysexits EX_TEMPFAIL); 124 gave up waiting.
 */
import { errorCode } from "../base/errors.ts";
import { type ApiCode, asApiCode } from "../api/contract/codes.ts";

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  different: 3,
  notFound: 4,
  refused: 5,
  unavailable: 6,
  denied: 7,
  storageFailed: 75,
  gaveUp: 124,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byApiCode: Readonly<Record<ApiCode, ExitCode>> = {
  INVALID_REQUEST: 2,
  UNKNOWN_FIELD: 2,
  MALFORMED_JSON: 2,
  INVALID_SELECTOR: 2,
  EMPTY_SELECTOR: 2,
  ROLE_UNKNOWN: 5,
  ROLE_CYCLE: 5,
  REVISION_UNKNOWN: 5,
  UNAUTHENTICATED: 7,
  FORBIDDEN: 7,
  MEMBER_EVICTED: 7,
  NOT_FOUND: 4,
  NO_SUCH_ROUTE: 4,
  METHOD_NOT_ALLOWED: 2,
  REQUEST_TIMEOUT: 6,
  CONFLICT: 5,
  ALREADY_EXISTS: 5,
  GENERATION_SUPERSEDED: 5,
  AMBIGUOUS: 2,
  PLAN_CHANGED: 5,
  ILLEGAL_MOVE: 5,
  NODE_HELD: 5,
  NODE_NOT_REACHABLE: 5,
  TOKEN_INVALID: 5,
  TOKEN_EXPIRED: 5,
  TOKEN_USED: 5,
  TOKEN_NAME: 5,
  TOKEN_SHOWN: 5,
  VERSION_MISMATCH: 5,
  TOO_LARGE: 2,
  UNSUPPORTED_MEDIA_TYPE: 2,
  INVALID: 5,
  PRECHECK_FAILED: 5,
  IDEMPOTENCY_MISMATCH: 5,
  EVENTS_TRIMMED: 5,
  LIMIT: 5,
  UNSUPPORTED: 2,
  UNKNOWN_COMMAND: 5,
  TOO_MANY_REQUESTS: 6,
  HEADERS_TOO_LARGE: 2,
  INTERNAL: 1,
  NO_LEADER: 6,
  NO_CLUSTER: 6,
  NOT_READY: 6,
  READ_ONLY: 6,
  BUSY: 6,
  STOPPED: 6,
  UNKNOWN_OUTCOME: 1,
  DEADLINE: 124,
};

/** Codes that an agent which does not start, or a client that finds none, ends with. */
const byOtherCode: Readonly<Record<string, ExitCode>> = {
  NO_AGENT: 6,
  CONNECTION_LOST: 6,
  GAVE_UP: 6,
  CONFIG_INVALID: 2,
  USAGE: 2,
  NO_CLUSTER: 2,
  ALREADY_JOINED: 5,
  CLUSTER_EXISTS: 5,
  TOKEN_INVALID: 7,
  TOKEN_EXPIRED: 7,
  TOKEN_USED: 7,
  TOKEN_NAME: 7,
  TOKEN_MALFORMED: 7,
  FOREIGN_CLUSTER: 7,
  DATA_DIR_FULL: 75,
  LOG_OPEN_FAILED: 75,
  LOG_WRITE_FAILED: 75,
  ENOSPC: 75,
};

/** @param running true while an agent of this process starts or runs: its refusals are not an API's. */
export function exitCodeOf(error: unknown, running: boolean): ExitCode {
  const code = errorCode(error) ?? "";
  const other = byOtherCode[code];
  if (running && other !== undefined) return other;
  const api = asApiCode(code);
  if (api !== null) return byApiCode[api];
  return other ?? exitCodes.failed;
}
