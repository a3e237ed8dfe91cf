/**
 * Every code an answer can carry, with its HTTP status and title. Codes are stable: programs and the CLI's exit
 * codes hang on them. Plain data without imports, so that the client starts fast.
 */
export const codes = {
  INVALID_REQUEST: { status: 400, title: "Malformed request" },
  UNKNOWN_FIELD: { status: 400, title: "Unknown field" },
  MALFORMED_JSON: { status: 400, title: "Malformed JSON" },
  INVALID_SELECTOR: { status: 400, title: "Malformed selector" },
  EMPTY_SELECTOR: { status: 400, title: "Empty selector" },
  UNAUTHENTICATED: { status: 401, title: "Not authenticated" },
  FORBIDDEN: { status: 403, title: "Not allowed" },
  MEMBER_EVICTED: { status: 403, title: "Member was evicted" },
  NOT_FOUND: { status: 404, title: "Not found" },
  NO_SUCH_ROUTE: { status: 404, title: "No such route" },
  METHOD_NOT_ALLOWED: { status: 405, title: "Method not allowed" },
  REQUEST_TIMEOUT: { status: 408, title: "Request took too long to arrive" },
  CONFLICT: { status: 409, title: "Conflict" },
  ALREADY_EXISTS: { status: 409, title: "Already exists" },
  GENERATION_SUPERSEDED: { status: 409, title: "Of another history" },
  AMBIGUOUS: { status: 409, title: "Ambiguous name" },
  PLAN_CHANGED: { status: 409, title: "Plan has changed" },
  ILLEGAL_MOVE: { status: 409, title: "Illegal move" },
  NODE_HELD: { status: 409, title: "Node is held by a job" },
  NODE_NOT_REACHABLE: { status: 409, title: "Node is not reachable" },
  TOKEN_INVALID: { status: 409, title: "Token is not valid" },
  TOKEN_EXPIRED: { status: 409, title: "Token has expired" },
  TOKEN_USED: { status: 409, title: "Token is used up" },
  TOKEN_NAME: { status: 409, title: "Token belongs to another name" },
  TOKEN_SHOWN: { status: 409, title: "Token was shown already" },
  VERSION_MISMATCH: { status: 412, title: "Record has changed" },
  TOO_LARGE: { status: 413, title: "Too large" },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: "Unsupported media type" },
  INVALID: { status: 422, title: "Not possible" },
  PRECHECK_FAILED: { status: 422, title: "Precheck failed" },
  IDEMPOTENCY_MISMATCH: { status: 422, title: "Idempotency key was used for another request" },
  ROLE_UNKNOWN: { status: 422, title: "Unknown role" },
  ROLE_CYCLE: { status: 422, title: "Roles require each other" },
  REVISION_UNKNOWN: { status: 422, title: "Unknown revision" },
  EVENTS_TRIMMED: { status: 422, title: "Events are no longer kept" },
  LIMIT: { status: 422, title: "Limit reached" },
  UNSUPPORTED: { status: 422, title: "Not supported" },
  UNKNOWN_COMMAND: { status: 422, title: "Not known to this version" },
  TOO_MANY_REQUESTS: { status: 429, title: "Too many requests" },
  HEADERS_TOO_LARGE: { status: 431, title: "Header fields too large" },
  INTERNAL: { status: 500, title: "Internal error" },
  NO_LEADER: { status: 503, title: "No leader" },
  NO_CLUSTER: { status: 503, title: "Not in a cluster" },
  NOT_READY: { status: 503, title: "Not ready" },
  READ_ONLY: { status: 503, title: "Cluster is read-only" },
  BUSY: { status: 503, title: "Overloaded" },
  STOPPED: { status: 503, title: "Agent is stopping" },
  UNKNOWN_OUTCOME: { status: 504, title: "Outcome is unknown" },
  DEADLINE: { status: 504, title: "Took too long" },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly title: string }>>;

export type ApiCode = keyof typeof codes;

/** The code itself when it is one of ours, else null. */
export function asApiCode(code: string): ApiCode | null {
  return Object.hasOwn(codes, code) ? (code as ApiCode) : null;
}
