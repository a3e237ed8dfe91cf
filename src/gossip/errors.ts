/** Codes of the errors that this folder throws. */
import { AgentError } from "../base/errors.ts";

/** `GOSSIP_OPTION_INVALID`: an option contradicts another one; nothing was started. */
/** `GOSSIP_RECORD_TOO_LARGE`: name, address or tags exceed the record's limits; the old record stays. */
/** `GOSSIP_EVENT_INVALID`: the name of a user event is none; nothing was told. */
/** `GOSSIP_EVENT_TOO_LARGE`: name and payload of a user event exceed their limit; nothing was told. */
/** `GOSSIP_EVENT_REFUSED`: this agent tells too many events; nothing was told. */
/** `GOSSIP_NOT_RUNNING`: this agent does not gossip yet, or any more; nothing was told. */
export type GossipErrorCode =
  | "GOSSIP_OPTION_INVALID"
  | "GOSSIP_RECORD_TOO_LARGE"
  | "GOSSIP_EVENT_INVALID"
  | "GOSSIP_EVENT_TOO_LARGE"
  | "GOSSIP_EVENT_REFUSED"
  | "GOSSIP_NOT_RUNNING";

export function gossipError(
  code: GossipErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): AgentError<GossipErrorCode> {
  return new AgentError(code, message, details);
}
