import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AnswerBudget } from "../../../../src/gossip/core/answer-budget.ts";

const it = suite("gossip/answer-budget");

it("hands out so much per second, the last of it in one piece, and saves nothing up", () => {
  const budget = new AnswerBudget(1000);
  assert.ok(budget.afford(60_000, 600));
  assert.ok(budget.afford(60_000, 900), "something was left");
  assert.not(budget.afford(60_000, 1));
  assert.not(budget.afford(60_500, 1), "the debt is paid first");
  assert.ok(budget.afford(60_501, 1));
});

it.run();
