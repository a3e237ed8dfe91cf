/** A command line that cannot be carried out as written: exit code 2, and nothing was asked of any agent. */
import { AgentError } from "../base/errors.ts";

export function usage(message: string): AgentError<"USAGE"> {
  return new AgentError("USAGE", message);
}
