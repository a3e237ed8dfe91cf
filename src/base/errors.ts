/**
 * One error class for everything an operator or a caller can act on. `code` is stable and part of the
 * contract; `message` says the action that failed, with quoted values, and what to do; `details` is data.
 * Each folder lists its codes in its own errors.ts.
 */
export class AgentError<Code extends string = string> extends Error {
  override readonly name = "AgentError";
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: Code,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = details;
  }
}

/** True when `error` is an `AgentError` with one of `codes` (any code when none is given). */
export function isAgentError(error: unknown, ...codes: readonly string[]): error is AgentError {
  return error instanceof AgentError && (codes.length === 0 || codes.includes(error.code));
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node.js system error (`ENOENT`, `ENOSPC`, …) or of an AgentError, if there is one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
