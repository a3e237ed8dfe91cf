/** Tells the format of a history from its first line, reads it and judges it. */
import { AgentError, errorMessage, isAgentError } from "../../src/base/errors.ts";
import { type Budget } from "./budget.ts";
import { check, type Judgement } from "./check.ts";
import { explain } from "./explain.ts";
import { type Operation } from "./history.ts";
import { keyValue } from "./key-value.ts";
import { keyValueLog } from "./key-value-log.ts";
import { malformed, quote } from "./malformed.ts";
import { type Model } from "./model.ts";
import { Pairing, type Dialect } from "./pairing.ts";
import { register } from "./register.ts";
import { registerLog } from "./register-log.ts";

export interface Report {
  readonly verdict: Judgement<unknown>["verdict"];
  /** Operations that were judged. */
  readonly operations: number;
  /** Why the verdict is not "ok"; empty when it is. */
  readonly reason: string;
}

/** Limit on what is read from outside. */
const lineLengthMax = 1024 * 1024;

/** Throws an `AgentError` whose message begins with `name` and the number of the line. */
export function judgeText(name: string, text: string, budget: Budget): Report {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.trim() !== "");
  const head = lines[first]?.trimStart() ?? "";
  if (first < 0 || head.startsWith("INFO")) {
    return judge(readOperations(name, lines, registerLog), register, budget);
  }
  if (head.startsWith("{")) {
    return judge(readOperations(name, lines, keyValueLog), keyValue, budget);
  }
  throw new AgentError(
    "history.format",
    `${name}:${first + 1}: expected a line of Jepsen's log ("INFO  jepsen.util - …") or an EDN map ` +
      `("{:process …}"), got ${quote(head)}`,
  );
}

function judge<State, Op>(
  operations: readonly Operation<Op>[],
  model: Model<State, Op>,
  budget: Budget,
): Report {
  const judgement = check(operations, model, budget);
  return {
    verdict: judgement.verdict,
    operations: operations.length,
    reason: explain(judgement, model),
  };
}

/** Positions are line numbers, from 1. */
export function readOperations<Request, Op>(
  name: string,
  lines: readonly string[],
  dialect: Dialect<Request, Op>,
): readonly Operation<Op>[] {
  const pairing = new Pairing(dialect);
  lines.forEach((text, index) => {
    if (text.trim() === "") return;
    try {
      if (text.length > lineLengthMax) throw malformed(`longer than ${lineLengthMax} characters`);
      pairing.add(text, index + 1);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      throw new AgentError(error.code, `${name}:${index + 1}: ${errorMessage(error)}`);
    }
  });
  return pairing.end();
}
