/** Codes of the errors this folder throws. They are part of the API's contract (`code` of a problem). */
import { AgentError } from "../base/errors.ts";

export type EngineErrorCode =
  /** The git repository or directory could not be read; details.source. */
  | "SOURCE_UNREACHABLE"
  /** The source is there, the branch, tag or commit is not; details.ref. */
  | "REF_NOT_FOUND"
  /** muster.yaml or the tree breaks a rule; details.problems lists all of them with file and line. */
  | "MANIFEST_INVALID"
  /** A limit of size or count is exceeded; details say which. */
  | "BUNDLE_TOO_LARGE"
  /** Bytes do not have the hash they are stored under, or the archive is not one we would pack. */
  | "BUNDLE_CORRUPT"
  /** No peer that can be asked has the bundle. */
  | "BUNDLE_UNAVAILABLE"
  /** The run could not be prepared or its shim not started; nothing of it has run. */
  | "RUN_NOT_STARTED"
  /** Stored bytes of a transcript fail their checksum; details.offset is where. */
  | "TRANSCRIPT_DAMAGED"
  /** Every holder of a transcript was asked in vain. */
  | "TRANSCRIPT_UNAVAILABLE"
  /** A part does not continue the copy it was sent for; details.expected is the offset to send. */
  | "TRANSCRIPT_OUT_OF_ORDER"
  | "NOT_FOUND"
  /** A request from a peer or caller has the wrong shape or breaks a limit. */
  | "BAD_REQUEST"
  /** Too many requests are in progress; ask another peer, or later. */
  | "OVERLOADED";

export function engineError(
  code: EngineErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  options: { cause?: unknown } = {},
): AgentError<EngineErrorCode> {
  return new AgentError(code, message, details, options);
}
