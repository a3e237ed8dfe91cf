/**
 * Completes the refusal "no leader": which voters cannot be seen from here, and how many it takes. That tells an
 * election, which is over in a moment, from a lost majority, which somebody has to repair.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import { type ApiContext } from "./context.ts";
import { toStatus } from "./views/cluster.ts";

/** Any other error comes back as it is, and so does one that names them already. */
export function withMissingVoters(error: unknown, context: ApiContext): unknown {
  if (!isAgentError(error, "NO_LEADER") || "missing" in error.details) return error;
  const { voters } = toStatus(context);
  const missing = voters.filter(({ reachable }) => !reachable).map(({ id, name }) => name || id);
  if (missing.length === 0) return error;
  const needed = Math.floor(voters.length / 2) + 1;
  const text = `${error.message.replace(/\.$/, "")}. Out of reach: ${missing.join(", ")}; it takes ${needed} of ${voters.length} voters`;
  return new AgentError(error.code, text, { ...error.details, missing }, { cause: error });
}
