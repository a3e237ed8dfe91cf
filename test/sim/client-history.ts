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

/** What a variable holds that came with the generation. No client writes it. */
const anything = "*";

const variable: Model<string | null, VariableOp> = {
  initial: null,
  step(state, op) {
    if (op.f === "write") return op.value;
    if (op.f === "read") return op.value === state || state === anything ? op.value : undefined;
    if (state === anything) return op.swapped ? op.value : state;
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

/** An operation, and the generation that answered it; none when the client never learned what came of it. */
interface Told extends Operation<VariableOp> {
  readonly where: string;
}

export class ClientHistory {
  readonly #operations: Told[] = [];
  answered = 0;
  unknown = 0;

  add(client: number, op: VariableOp, at: Pick<Told, "called" | "returned" | "where">): void {
    if (at.returned === null) this.unknown += 1;
    else this.answered += 1;
    this.#operations.push({ process: client, op, ...at });
  }

  /** True when all could be judged, and is linearizable within each generation. */
  judge(): boolean {
    const generations = new Set(this.#operations.map(({ where }) => where));
    generations.delete("");
    if (generations.size < 2) return judgeOne(this.#operations, variable);
    const own = { ...variable, initial: anything };
    const verdicts = [...generations].map((id) => judgeOne(this.#within(id), own));
    return verdicts.every((judged) => judged);
  }

  /**
   * What one generation answered. Writes of others come into it with the fork or a merge, at any time; only those that
   * were seen here matter. A refusal may be due to one that was not seen.
   */
  #within(generation: string): readonly Told[] {
    const answered = this.#operations.filter(
      ({ where, op }) => where === generation && (op.f !== "swap" || op.swapped),
    );
    const seen = new Set(answered.map(({ op }) => seenBy(op)));
    const foreign = this.#operations.filter(
      ({ where, op }) => where !== generation && op.f !== "read" && seen.has(op.value),
    );
    const written = foreign.flatMap((one) => {
      const { op } = one;
      if (op.f === "swap" && !op.swapped) return [];
      return [
        { ...one, op: { f: "write" as const, key: op.key, value: op.value ?? "" }, returned: null },
      ];
    });
    return [...answered, ...written];
  }
}

function seenBy(op: VariableOp): string | null {
  if (op.f === "read") return op.value;
  return op.f === "swap" ? op.from : null;
}

function judgeOne(operations: readonly Told[], model: Model<string | null, VariableOp>): boolean {
  const judgement = check(operations, model, { ...defaultBudget, steps });
  if (judgement.verdict !== "violation") return judgement.verdict === "ok";
  const { part, dead } = judgement;
  require(false, () =>
    `not linearizable: variable ${part}, ${variable.describe(dead.stuck.op)} of client ${dead.stuck.process} ` +
    `does not fit behind ${dead.placed} of ${dead.of} operations, with ${dead.state}`);
  return false;
}
