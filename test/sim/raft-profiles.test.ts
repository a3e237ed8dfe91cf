import { suite } from "uvu";
import * as assert from "uvu/assert";
import { play, playAll, sum } from "./played.ts";
import { type ProfileName, profileNames, reconfiguration } from "./profiles.ts";

const it = suite("sim: raft, profiles");

/** With those of raft.test.ts a thousand runs of about 60 virtual seconds. */
const seedsOf: { readonly [N in Exclude<ProfileName, "safety">]: number } = {
  ...{ liveness: 130, swarm: 130, "sequential-death": 40, "two-node": 80, "bit-rot": 100 },
  "partition-merge": 100,
};

for (const name of profileNames) {
  if (name === "safety") continue;
  it(`keeps every promise in profile ${name}`, async () => {
    const results = await playAll(name, 1, seedsOf[name]);
    assert.ok(sum(results, ({ commit }) => commit) > 30 * results.length, "entries were committed");
  });
}

it("keeps them when configurations change all the time and the network breaks meanwhile", async () => {
  for (const [voters, nodes] of [
    [1, 3],
    [2, 3],
    [3, 4],
    [4, 4],
    [3, 5],
  ] as const) {
    let changes = 0;
    for (let seed = 1; seed <= 10; seed += 1) {
      changes += (await play({ seed, profile: reconfiguration(voters, nodes) })).changes;
    }
    assert.ok(changes > 50, `${changes} changes`);
  }
});

it.run();
