/** A slice of the fuzzing for every run; `npm run fuzz` does more. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fuzz } from "./fuzz.ts";

const it = suite("fuzz/decoders");

for (const seed of [1, 2]) {
  it(`holds all invariants whatever arrives (seed ${seed})`, async () => {
    for (const { target, inputs, taken } of await fuzz({ inputs: 39_000, seed })) {
      assert.ok(taken > inputs / 50 && taken < inputs, `${target}: ${taken} of ${inputs} taken`);
    }
  });
}

it.run();
