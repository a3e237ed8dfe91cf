import { suite } from "uvu";
import * as assert from "uvu/assert";
import { play, playAll, sum } from "./played.ts";
import { plainMerge, unproven } from "./partition-merge.ts";
import { type Aim, type ProfileName, profileNames, reconfiguration } from "./profiles.ts";

const it = suite("sim: raft, profiles");

/** With those of raft.test.ts a thousand runs of 60 virtual seconds. */
const seedsOf: { readonly [N in Exclude<ProfileName, "safety">]: number } = {
  ...{ liveness: 140, swarm: 200, "sequential-death": 40, "two-node": 120, "bit-rot": 80 },
  "partition-merge": 80,
};

for (const name of profileNames) {
  if (name === "safety") continue;
  it(`keeps every promise in profile ${name}`, async () => {
    const results = await playAll(name, 1, seedsOf[name]);
    assert.ok(sum(results, ({ commit }) => commit) > 30 * results.length, "entries were committed");
    if (name !== "partition-merge") return;
    const { length } = results;
    assert.ok(sum(results, ({ generations }) => generations.forced) > length, "histories parted");
    assert.ok(sum(results, ({ generations }) => generations.reset) > length / 2, "and met again");
  });
}

/** What each of these found is mended; so are the simulator's own errors. */
const once: readonly (readonly [seed: number, name: ProfileName])[] = [
  // A watermark that was only in the page cache; a leader of two whose disk hung.
  ...[223, 589].map((seed) => [seed, "liveness"] as const),
  ...[2667, 3783].map((seed) => [seed, "sequential-death"] as const),
  [3566, "swarm"],
  // A wiped disk took a voter along, while the configuration changed: a forced generation goes on.
  ...([
    [1598, "swarm"],
    [2030, "swarm"],
    [6623, "bit-rot"],
    [8658, "safety"],
  ] as const),
  ...([
    [10_938, "safety"],
    [10_976, "swarm"],
    [2855, "bit-rot"],
    [7947, "sequential-death"],
  ] as const),
  // An export of nothing was refused for ever; a member that started over got no entry any more.
  ...[26, 27, 309, 368].map((seed) => [seed, "partition-merge"] as const),
  // Pruning removed a snapshot that was just being published; a value overwritten in a second history, not in its own.
  ...[56_335, 13_740, 14_433].map((seed) => [seed, "partition-merge"] as const),
  // Survivors agreed on a child that lacks what they had committed; the only disk was wiped before anything was on it.
  [58_148, "partition-merge"],
  [58_760, "swarm"],
  // The double of a request that had been carried out came after its target died, and said that nothing had happened.
  [200_711, "two-node"],
  // An answer that came with a merge; a conditional write tried in two generations.
  ...[3, 48, 53, 134, 402, 439].map((seed) => [seed, "partition-merge"] as const),
];

/** As the profiles were when most of these were found: what was added later would make other runs of them. */
const asBefore: { readonly [N in ProfileName]?: Aim } = {
  "partition-merge": plainMerge,
  "two-node": unproven,
};

it("keeps them where they were broken once", async () => {
  for (const [seed, name] of once) {
    const profile = asBefore[name];
    await play({ seed, name, ...(profile === undefined ? {} : { profile }) });
  }
});

it("keeps them where disks, proofs and jobs broke them", async () => {
  // A standby that had nothing yet was waited for; what was decided before a fork, or repeated behind it.
  for (const seed of [212_552, 210_051, 210_116, 210_187]) {
    await play({ seed, name: "partition-merge", profile: unproven });
  }
  // The newer of two journaled values was lost; an empty log went on alone in a generation that it had left.
  await play({ seed: 220_031, name: "partition-merge" });
  // Held for ever by one that went on without it, though its own history wins.
  await play({ seed: 220_040, name: "partition-merge" });
  for (const seed of [220_245, 220_281]) await play({ seed, name: "two-node" });
  // The answer to a read of the agent's former life was taken for that to one of this life.
  await play({ seed: 39_799, name: "two-node" });
  // A host that had been off took its partner's fence for proof; a node was seen on the side that lost.
  for (const seed of [61_326, 61_053]) await play({ seed, name: "partition-merge" });
  // A held agent was waited for that itself waited for a child which cannot be finished; a leader took its own log's
  // beginning for what a member holds that started over, and asked it without end.
  // The leader of two could not have its partner fenced, and a standby that still heard it waited for it.
  // A third had not heard of one of two survivors; a run that had ended on the other side was ended without end.
  for (const seed of [20_166, 30_330, 301_686, 69_397, 66_877])
    await play({ seed, name: "partition-merge" });
});

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
