import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createCore } from "../../src/consensus/core/raft.ts";
import { loadMutant, mutants } from "./mutants.ts";
import { type CoreFactory } from "./node.ts";
import { leadersDieYoung } from "./profiles.ts";
import { run, type RunOptions } from "./scenario.ts";

const it = suite("sim: broken twins");
const maxSeeds = 1500;

/** The first violation among many seeds. */
function hunt(options: Omit<RunOptions, "seed">): { violation: string; report: string } | null {
  for (let seed = 1; seed <= maxSeeds; seed += 1) {
    const { violation, report } = run({ seed, ...options });
    if (violation !== null) return { violation, report };
  }
  return null;
}

it("catches a driver that acknowledges before the disk has it, by what the disk holds", () => {
  const caught = hunt({ ackEarly: true });
  assert.match(caught?.violation ?? "", /not durable/);
});

it("catches it by its consequences too", () => {
  const caught = hunt({ ackEarly: true, direct: false, profile: leadersDieYoung });
  assert.ok(caught !== null);
});

it("catches a node that forgets its vote in a crash", () => {
  const forgetful: CoreFactory = (options, recovered) =>
    createCore(options, { ...recovered, hardState: { ...recovered.hardState, vote: null } });
  const caught = hunt({ createCore: forgetful, profile: leadersDieYoung, direct: false });
  assert.match(caught?.violation ?? "", /votes for|election safety/);
});

for (const [slot, mutant] of mutants.entries()) {
  it(`catches a core that ${mutant.name}`, async () => {
    const { profile, direct = false } = mutant;
    const caught = hunt({ createCore: await loadMutant(mutant, slot), profile, direct });
    assert.ok(caught !== null, `no violation in ${maxSeeds} runs`);
  });
}

it("prints the seed and how to replay it with the last events", () => {
  const caught = hunt({ ackEarly: true });
  assert.match(caught?.report ?? "", /seed 1: [^]*replay: node test\/sim\/run.ts --seed 1/);
});

it("refuses a mutant that no longer fits the source", async () => {
  const edits = [{ file: "quorum.ts", find: "no such line", replace: "" }];
  try {
    await loadMutant({ name: "stale", edits, profile: {} }, 999);
    assert.unreachable("the mutant was loaded");
  } catch (error) {
    assert.match(String(error), /does not fit/);
  }
});

it.run();
