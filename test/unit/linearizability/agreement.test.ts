/** The checker against the definition (small histories) and against the way a history was made (large ones). */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { check } from "../../linearizability/check.ts";
import { type Operation } from "../../linearizability/history.ts";
import { keyValue } from "../../linearizability/key-value.ts";
import { type Model } from "../../linearizability/model.ts";
import { register } from "../../linearizability/register.ts";
import {
  linearizable,
  mutated,
  registers,
  replays,
  stores,
  type Subject,
} from "../../support/histories.ts";
import { isLinearizable, isProof, type Replays } from "../../support/oracle.ts";

const it = suite("linearizability: agreement");
const small = { operations: 6, overlap: 3 };
const large = { operations: 250, overlap: 4 };

function replaysOf<Op>(subject: Subject<Op>): Replays<Op> {
  return (ops) => replays(subject.copy(), ops);
}

/** The verdict, after the proof of an "ok" has been checked. */
function verdict<State, Op>(
  history: readonly Operation<Op>[],
  model: Model<State, Op>,
  subject: Subject<Op>,
): string {
  const judgement = check(history, model);
  if (judgement.verdict !== "ok") return judgement.verdict;
  for (const [part, order] of judgement.orders) {
    assert.ok(isProof(order, replaysOf(subject)), `the order for "${part}" proves nothing`);
    const missing = history.filter(
      (operation) =>
        model.part(operation.op) === part &&
        operation.returned !== null &&
        !order.includes(operation),
    );
    assert.equal(missing, [], `the order for "${part}" leaves finished operations out`);
  }
  return "ok";
}

/** Both verdicts must occur often, or agreement says little. */
function agrees<State, Op>(model: Model<State, Op>, subject: Subject<Op>): void {
  const seen = { ok: 0, violation: 0 };
  fc.assert(
    fc.property(mutated(subject, small), (history) => {
      const expected = isLinearizable(history, replaysOf(subject)) ? "ok" : "violation";
      seen[expected] += 1;
      assert.is(verdict(history, model, subject), expected);
    }),
    { numRuns: 3000 },
  );
  assert.ok(Math.min(seen.ok, seen.violation) > 300, JSON.stringify(seen));
}

function accepts<State, Op>(model: Model<State, Op>, subject: Subject<Op>): void {
  fc.assert(
    fc.property(linearizable(subject, large), (history) => {
      assert.is(verdict(history, model, subject), "ok");
    }),
    { numRuns: 100 },
  );
}

it("agrees with the definition on registers", () => {
  agrees(register, registers);
});

it("agrees with the definition on stores of several keys, which are judged one by one", () => {
  agrees(keyValue, stores);
});

it("accepts long histories of a single copy of a register, with a proof", () => {
  accepts(register, registers);
});

it("accepts long histories of a single copy of a store, with a proof", () => {
  accepts(keyValue, stores);
});

it.run();
