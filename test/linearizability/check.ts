/**
 * Judges a history: linearizable when the operations on each object are (locality, Herlihy & Wing 1990, §3.1). A
 * violation on one object settles it, even when another object could not be judged.
 */
import { defaultBudget, type Budget, type BudgetPart } from "./budget.ts";
import { type Operation } from "./history.ts";
import { type Model } from "./model.ts";
import { search, type DeadEnd } from "./search.ts";

export type Judgement<Op> =
  /** An order per object, as a proof. */
  | { readonly verdict: "ok"; readonly orders: ReadonlyMap<string, readonly Operation<Op>[]> }
  | { readonly verdict: "violation"; readonly part: string; readonly dead: DeadEnd<Op> }
  | { readonly verdict: "unknown"; readonly part: string; readonly exhausted: BudgetPart };

export function check<State, Op>(
  history: readonly Operation<Op>[],
  model: Model<State, Op>,
  budget: Budget = defaultBudget,
): Judgement<Op> {
  const orders = new Map<string, readonly Operation<Op>[]>();
  let unknown: Judgement<Op> | null = null;
  for (const [part, operations] of Map.groupBy(history, ({ op }) => model.part(op))) {
    const outcome = search(operations, model, budget);
    if (outcome.verdict === "violation") return { part, ...outcome };
    if (outcome.verdict === "unknown") unknown ??= { part, ...outcome };
    else orders.set(part, outcome.order);
  }
  return unknown ?? { verdict: "ok", orders };
}
