/** Says in one sentence why a history is not known to be linearizable. */
import { unreachable } from "../../src/base/assert.ts";
import { type BudgetPart } from "./budget.ts";
import { type Judgement } from "./check.ts";
import { type Model } from "./model.ts";

export function explain<State, Op>(judgement: Judgement<Op>, model: Model<State, Op>): string {
  switch (judgement.verdict) {
    case "ok":
      return "";
    case "violation": {
      const { stuck, placed, of, state } = judgement.dead;
      return (
        `no order explains "${model.describe(stuck.op)}" of process ${stuck.process} ` +
        `(lines ${stuck.called}–${String(stuck.returned)}): the best one comes to ${placed} of ${of} ` +
        `finished operations on "${judgement.part}" and ends in the state ${JSON.stringify(state)}`
      );
    }
    case "unknown":
      return `undecided: the search on "${judgement.part}" ${spent[judgement.exhausted]}`;
    default:
      return unreachable(judgement);
  }
}

const spent: Readonly<Record<BudgetPart, string>> = {
  steps: "took all the steps it is allowed",
  memory: "filled the memory it is allowed",
  time: "took all the time it is allowed; allow more with --seconds",
};
