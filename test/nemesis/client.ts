/** One request of a client, and what its answer says about what happened: the rule that all judging hangs on. */
import { errorCode, errorMessage } from "../../src/base/errors.ts";
import { isJsonObject } from "../../src/base/json.ts";
import { type ApiOptions, type TestAgent } from "../support/agents.ts";
import { type HttpAnswer } from "../support/http.ts";

export type Reply =
  /** Carried out. */
  | { readonly kind: "ok"; readonly answer: HttpAnswer }
  /** Judged against the state and turned down: nothing happened, and that is what the state says. */
  | { readonly kind: "refused"; readonly answer: HttpAnswer }
  /** Surely nothing happened: it was not sent, or the answer says so. */
  | { readonly kind: "fail"; readonly why: string }
  /** It may have happened, may yet, or never will. */
  | { readonly kind: "unknown"; readonly why: string };

/** An agent waits 5 s for a leader before it refuses. */
const timeoutMs = 7000;
const refusals = [404, 409, 412, 422];
const nothingHappened = [429, 503];
const unknownOutcome = 504;
const notSent = ["ECONNREFUSED", "ENOENT"];

export async function ask(
  agent: TestAgent,
  method: string,
  route: string,
  options: ApiOptions = {},
): Promise<Reply> {
  try {
    const answer = await agent.api(method, route, { timeoutMs, ...options });
    return judge(`${method} ${route}`, answer);
  } catch (error) {
    const why = `${errorCode(error) ?? ""} ${errorMessage(error)}`;
    return notSent.includes(errorCode(error) ?? "")
      ? { kind: "fail", why }
      : { kind: "unknown", why };
  }
}

function judge(what: string, answer: HttpAnswer): Reply {
  const { status, text } = answer;
  if (status >= 200 && status < 300) return { kind: "ok", answer };
  // Says that what the caller has is of another history, and nothing of the state of this one.
  if (codeOf(answer) === "GENERATION_SUPERSEDED") return { kind: "fail", why: codeOf(answer) };
  if (refusals.includes(status)) return { kind: "refused", answer };
  if (nothingHappened.includes(status)) return { kind: "fail", why: `${status} ${codeOf(answer)}` };
  if (status === unknownOutcome) return { kind: "unknown", why: `${status} ${codeOf(answer)}` };
  // Whatever is done to a cluster, its answers are among these.
  throw new UnexpectedAnswer(`${what}: ${status} ${text.slice(0, 500)}`);
}

/** Fails the run: an internal error, or a request that the test got wrong. */
export class UnexpectedAnswer extends Error {}

/** Id of the generation that an answer is from: `2/1f0c55a1; provisional` without what is said of it. */
export function generationOf(reply: Reply): string | null {
  if (reply.kind !== "ok" && reply.kind !== "refused") return null;
  const told = reply.answer.headers["muster-generation"];
  return typeof told === "string" ? (told.split(";")[0] ?? null) : null;
}

export function codeOf({ json }: HttpAnswer): string {
  return isJsonObject(json) ? String(json["code"]) : "";
}
