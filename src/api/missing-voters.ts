/**
 * Completes the refusal "no leader": which voters cannot be seen from here, how many it takes, and what would help.
 * That tells an election, which is over in a moment, from a lost majority, which somebody has to repair.
 */
import { formatDuration } from "../base/duration.ts";
import { AgentError, isAgentError } from "../base/errors.ts";
import { type ApiContext } from "./context.ts";
import { outlookOf, toStatus } from "./views/cluster.ts";

/** Any other error comes back as it is, and so does one that names them already. */
export function withMissingVoters(error: unknown, context: ApiContext): unknown {
  if (!isAgentError(error, "NO_LEADER") || "missing" in error.details) return error;
  const { voters } = toStatus(context);
  const missing = voters.filter(({ reachable }) => !reachable).map(({ id, name }) => name || id);
  const outlook = outlookOf(context);
  if (missing.length === 0 && outlook === null) return error;
  const needed = Math.floor(voters.length / 2) + 1;
  const out =
    missing.length === 0
      ? ""
      : `. Out of reach: ${missing.join(", ")}; it takes ${needed} of ${voters.length} voters`;
  const text = `${error.message.replace(/\.$/, "")}${out}`;
  if (outlook === null) {
    return new AgentError(error.code, text, { ...error.details, missing }, { cause: error });
  }
  const { waitMs, why } = outlook;
  const wait =
    waitMs === null
      ? ""
      : `wait ${formatDuration(Math.max(1000, Math.ceil(waitMs / 1000) * 1000))} more, `;
  const recover = "go on without them: muster operator recover --plan";
  const help =
    missing.length === 0
      ? `${wait}look at muster status (${why})`
      : `${wait}start ${missing.join(" or ")}, or ${recover}`;
  const details = { ...error.details, missing, waitMs, why };
  return new AgentError("READ_ONLY", `${text}. Reads go on. To write: ${help}`, details, {
    cause: error,
  });
}
