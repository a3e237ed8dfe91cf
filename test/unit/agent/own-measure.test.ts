import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ownMeasure } from "../../../src/agent/own-measure.ts";

const it = suite("agent: limits of its own");

it("lie within a quarter below the common one, and apart", () => {
  const found = Array.from({ length: 100 }, (_, i) => ownMeasure(`12D3KooWpeer${i}`, 50_000));
  assert.ok(found.every((one) => one >= 37_500 && one <= 50_000));
  assert.ok(new Set(found).size > 90);
  assert.ok(Math.max(...found) - Math.min(...found) > 10_000);
});

it("are the same after a restart, and never nothing", () => {
  assert.is(ownMeasure("12D3KooWa", 50_000), ownMeasure("12D3KooWa", 50_000));
  assert.is(ownMeasure("12D3KooWa", 1), 1);
});

it.run();
