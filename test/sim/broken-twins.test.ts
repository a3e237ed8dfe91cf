import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onMacrotask } from "./drain.ts";
import { generationMutants } from "./generation-mutants.ts";
import { loadTwin } from "./mutant-loader.ts";
import { mutants } from "./mutants.ts";
import { type RunOptions, type RunResult, run } from "./scenario.ts";
import { shrink } from "./shrink.ts";

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

const twins = [...mutants, ...generationMutants];

for (const [slot, { name, edits, profile, aim, direct = false }] of twins.entries()) {
  it(`catches an agent that ${name}`, async () => {
    const production = await loadTwin(name, edits, slot);
    const caught = await hunt({ production, name: profile ?? "safety", profile: aim, direct });
    assert.ok(caught !== null, `no violation in ${maxSeeds} runs`);
  });
}

it("finds nothing wrong with production in the same runs", async () => {
  for (const { aim, profile } of new Map(twins.map((twin) => [twin.aim, twin])).values()) {
    for (let seed = 1; seed <= 3; seed += 1) {
      const options = { seed, name: profile ?? "safety", profile: aim } as const;
      const { violation } = await onMacrotask(() => run(options));
      assert.is(violation, null, `seed ${seed}`);
    }
  }
});

it("shrinks a failing run to the faults that it needs", async () => {
  const edits = [
    {
      file: "consensus/storage/level-log.ts",
      find: "batch(batch, { sync });",
      replace: "batch(batch, { sync: false });",
    },
  ];
  const production = await loadTwin("not synced", edits, 501);
  const options = { seed: 1, chaosMs: 3000, direct: false, production };
  const play = (one: RunOptions): Promise<RunResult> => onMacrotask(() => run(one));
  const failed = await play(options);
  assert.ok(failed.violation !== null);
  const lines: string[] = [];
  for await (const line of shrink(options, failed, play)) lines.push(line);
  const needed = lines.filter((line) => line.startsWith("needs "));
  const faults = Object.values(failed.profile.faults).filter((rate) => rate > 0).length;
  assert.ok(needed.length < faults, `of ${faults} faults: ${needed.join(", ")}`);
  assert.ok(lines.some((line) => /^faults up to event \d+ are enough$/.test(line)));
});

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
