/** What simulated clients saw, for the linearizability checker: registers with unique values, one for each variable. */
import { check } from "../linearizability/check.ts";
import { defaultBudget } from "../linearizability/budget.ts";
import { type Operation } from "../linearizability/history.ts";
import { type Model } from "../linearizability/model.ts";
import { require } from "./violation.ts";

export type VariableOp =
  | { readonly f: "read"; readonly key: string; readonly value: string | null }
  | { readonly f: "write"; readonly key: string; readonly value: string }
  /** A write conditional on the version that had value `from`. */
  | {
      readonly f: "swap";
      readonly key: string;
      readonly from: string | null;
      readonly value: string;
      readonly swapped: boolean;
    };

const variable: Model<string | null, VariableOp> = {
  initial: null,
  step(state, op) {
    if (op.f === "write") return op.value;
    if (op.f === "read") return op.value === state ? state : undefined;
    if ((op.from === state) !== op.swapped) return undefined;
    return op.swapped ? op.value : state;
  },
  isRead: (op) => op.f === "read" || (op.f === "swap" && !op.swapped),
  key: (state) => state ?? "-",
  part: ({ key }) => key,
  describe(op) {
    if (op.f === "read") return `read → ${op.value ?? "nothing"}`;
    if (op.f === "write") return `write ${op.value}`;
    return `swap ${op.from ?? "nothing"} to ${op.value} → ${op.swapped ? "done" : "refused"}`;
  },
};

const steps = 200_000;

export class ClientHistory {
  readonly #operations: Operation<VariableOp>[] = [];
  answered = 0;
  unknown = 0;

  /** @param returned null: the client never learned what came of it. */
  add(client: number, op: VariableOp, called: number, returned: number | null): void {
    if (returned === null) this.unknown += 1;
    else this.answered += 1;
    this.#operations.push({ process: client, op, called, returned });
  }

  /** True when all could be judged, and is linearizable. */
  judge(): boolean {
    const judgement = check(this.#operations, variable, { ...defaultBudget, steps });
    if (judgement.verdict !== "violation") return judgement.verdict === "ok";
    const { part, dead } = judgement;
    require(false, () =>
      `not linearizable: variable ${part}, ${variable.describe(dead.stuck.op)} of client ${dead.stuck.process} ` +
      `does not fit behind ${dead.placed} of ${dead.of} operations, with ${dead.state}`);
    return false;
  }
}
