import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onMacrotask } from "./drain.ts";
import { loadTwin } from "./mutant-loader.ts";
import { mutants } from "./mutants.ts";
import { type RunOptions, type RunResult, run } from "./scenario.ts";

const it = suite("sim: broken twins");
const maxSeeds = 300;

/** The first run among many seeds in which something is wrong. */
async function hunt(options: Omit<RunOptions, "seed">): Promise<RunResult | null> {
  for (let seed = 1; seed <= maxSeeds; seed += 1) {
    const result = await onMacrotask(() => run({ seed, ...options }));
    if (result.violation !== null) return result;
  }
  return null;
}

for (const [slot, { name, edits, aim, direct = false }] of mutants.entries()) {
  it(`catches an agent that ${name}`, async () => {
    const production = await loadTwin(name, edits, slot);
    const caught = await hunt({ production, profile: aim, direct });
    assert.ok(caught !== null, `no violation in ${maxSeeds} runs`);
  });
}

it("refuses a twin that no longer fits the source", async () => {
  const edits = [{ file: "consensus/core/quorum.ts", find: "no such line", replace: "" }];
  try {
    await loadTwin("stale", edits, 999);
    assert.unreachable("the twin was loaded");
  } catch (error) {
    assert.match(String(error), /does not fit/);
  }
});

it.run();
