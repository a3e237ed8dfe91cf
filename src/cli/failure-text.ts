/** A failure as an operator reads it: one line that says what to do, then one line for each bad node or field. */
import { errorCode, errorMessage, isAgentError } from "../base/errors.ts";

/** What to do next, where the agent's own message cannot know it. */
const hints: Readonly<Record<string, string>> = {
  NO_AGENT:
    "Start it (muster agent), or say where one is: --data-dir, --api-socket, or --api-url with a token",
  UNAUTHENTICATED:
    "Give a token with --api-token-file or MUSTER_API_TOKEN (made by: muster token create --kind api)",
  NO_LEADER: "Look: muster status",
  READ_ONLY: "Look: muster status",
  NOT_READY: "Look: muster status",
  BUSY: "Try again in a moment",
  AMBIGUOUS: "Give more of the id",
};

/** @param agent true when this process is the agent: the hints are for those who ask one. */
export function failureText(error: unknown, agent: boolean): string {
  const code = errorCode(error);
  const [first = "", ...rest] = errorMessage(error).split("\n");
  const hint = agent || code === undefined ? undefined : hints[code];
  const sentence =
    hint === undefined
      ? first
      : `${first.replace(/[.;]$/, "")}${first.endsWith("?") ? "" : "."} ${hint}`;
  const head = `muster: ${sentence}${code === undefined ? "" : ` (${code})`}`;
  return [head, ...rest, ...problemLines(error)].join("\n");
}

/** `  NODE: why` or `  FIELD: why`; a single one only where the message has not said it already. */
function problemLines(error: unknown): string[] {
  if (!isAgentError(error)) return [];
  const { problems } = error.details;
  if (!Array.isArray(problems)) return [];
  return (problems as readonly unknown[]).flatMap((problem) => {
    const { node, field, message } = problem as Readonly<Record<string, unknown>>;
    if (typeof message !== "string") return [];
    if (problems.length === 1 && error.message.includes(message)) return [];
    const subject = typeof node === "string" ? node : field;
    return [typeof subject === "string" ? `  ${subject}: ${message}` : `  ${message}`];
  });
}
