/** What a provisional generation decides about nodes that it left behind: nothing (consensus.md, G11). */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { leftBehind, leftBehindAt } from "../../../src/agent/left-behind.ts";
import { openGenerations } from "../../../src/agent/open-generations.ts";
import { bootstrapGeneration, isProvisional } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { planJobs } from "../../../src/lifecycle/job-planner.ts";
import { JobWorld, manifestOf, roleSpec } from "../../support/job-world.ts";
import { admit, peer } from "../../support/inventory.ts";
import { mergeInto, pagesOf, split } from "../../support/merge.ts";

const it = suite("lifecycle: nodes left behind");
const one = manifestOf(roleSpec("base", { actions: ["configure", "cleanup"] }));
const hourMs = 3_600_000;
const id = "cd".repeat(16);

function fleet(): JobWorld {
  const world = new JobWorld(["n1", "n2"], one);
  for (const name of ["n1", "n2"]) world.assign(name, "base");
  return world;
}

const bootstrap = bootstrapGeneration("c");
/** n1 goes on without n2. */
const forced: Generation = {
  ...{ n: 2, id, parent: bootstrap.id, kind: "forced-auto" as const },
  ...{ forkIndex: 3, forkTerm: 1, forkChain: "aa", legitCommit: 3, outlived: true },
  ...{ members: [peer("n1")], coordinator: peer("n1"), lost: [peer("n2")] },
  ...{ missingAtMost: 0, at: 5 },
};

/** In a small cluster n2 had a place in the log; in a large one the generation names it nowhere. */
function fork(world: JobWorld, lost: Generation["lost"] = forced.lost): void {
  const generation = { ...forced, lost, forkIndex: world.view.appliedIndex };
  paths.set(world, [bootstrap, generation]);
  world.inventory.ok({ type: "generation.begin", generation, evidence: [] });
}
const paths = new WeakMap<JobWorld, readonly Generation[]>();

/** What the leader would do now about n2. */
function decided(world: JobWorld): readonly string[] {
  const { view, inventory } = world;
  const path = paths.get(world) ?? [bootstrap];
  const open = openGenerations(path, view).filter(isProvisional);
  const behind = leftBehindAt(path, open, { view, givenUp: [] });
  const { commands } = planJobs(view, inventory.at, undefined, behind);
  return commands.filter((one) => "node" in one && one.node === "n2").map(({ type }) => type);
}

function reach({ inventory }: JobWorld, reachability: "reachable" | "unreachable"): void {
  inventory.at += 1000;
  const changes = [{ id: peer("n2"), reachability }];
  inventory.ok({ type: "node.reachability", changes });
}

/** A job works on n2, and waits for the result of a run that began before the fork. */
function atWork(): JobWorld {
  const world = fleet();
  world.request("commission", ["n2"]);
  world.settleUntil(() =>
    Object.values(world.job("j1").nodes).some((node) => node.current !== null),
  );
  fork(world);
  world.inventory.at += hourMs;
  return world;
}

it("gives no run up for lost, though nobody could write down yet that the node is away", () => {
  const world = atWork();
  assert.is(world.node("n2").reachability, "reachable");
  assert.equal(decided(world), []);
  reach(world, "unreachable");
  assert.equal(decided(world), []);
});

it("knows of those too that had no place in the log", () => {
  const world = fleet();
  fork(world, []);
  world.request("commission", ["n2"]);
  assert.equal(decided(world), []);
  reach(world, "unreachable");
  reach(world, "reachable");
  assert.equal(decided(world), ["job.node.begin"]);
});

it("knows of them before the generation is on record", () => {
  const world = fleet();
  paths.set(world, [bootstrap, { ...forced, forkIndex: world.view.appliedIndex }]);
  world.request("commission", ["n2"]);
  assert.equal(decided(world), []);
});

it("asks no clock: the last leader's was ahead", () => {
  const world = fleet();
  reach(world, "unreachable");
  reach(world, "reachable");
  world.inventory.at -= hourMs;
  fork(world);
  world.request("commission", ["n2"]);
  assert.equal(decided(world), []);
});

it("decides as ever about a node that was admitted behind the fork, also when it is away", () => {
  const world = new JobWorld(["n1"], one);
  fork(world, []);
  world.inventory.ok(admit("n2"));
  world.assign("n2", "base");
  world.request("commission", ["n2"]);
  assert.equal(decided(world), ["job.node.begin"]);
  world.settleUntil(() =>
    Object.values(world.job("j1").nodes).some((node) => node.current !== null),
  );
  reach(world, "unreachable");
  world.inventory.at += hourMs;
  assert.equal(decided(world), ["run.finish"]);
});

it("waits for who joined on another side, whatever the index at which its admission came over", async () => {
  for (const isAtSameIndex of [false, true]) {
    const { inventory: winner } = fleet();
    const sides = await split(winner);
    const { loser, fork: forkIndex } = sides;
    for (let i = 0; i < 9; i += 1) loser.ok({ type: "var.put", key: `k${i}`, value: i });
    loser.ok(admit("n9"));
    const pages = pagesOf(loser, forkIndex);
    const target = loser.machine.appliedIndex + (isAtSameIndex ? 0 : 1);
    while (winner.machine.appliedIndex + pages.length < target) {
      winner.ok({ type: "var.put", key: "here", value: winner.machine.appliedIndex });
    }
    mergeInto(sides, [peer("n9")], pages);
    assert.is(winner.machine.appliedIndex, target);
    const here = { ...forced, lost: [], members: [peer("n1"), peer("n2")], forkIndex };
    assert.equal(leftBehind(here, winner.view, []), [peer("n9")]);
  }
});

it("does not ask about a generation of another history, whose record came with its merge", () => {
  const world = fleet();
  fork(world);
  paths.set(world, [bootstrap]);
  world.request("commission", ["n2"]);
  assert.equal(decided(world), ["job.node.begin"]);
});

it("gives it up when the generation is settled", () => {
  const world = atWork();
  world.inventory.ok({ type: "generation.settled", id, reason: "it was forgotten" });
  assert.equal(decided(world), ["run.finish"]);
});

it("gives nothing up because a generation that began with proof follows", () => {
  const world = atWork();
  const proven = {
    ...{ n: 3, id: "ee".repeat(16), parent: id, kind: "forced-proof" as const },
    ...{ forkIndex: 4, forkTerm: 2, forkChain: "aa", legitCommit: 4, outlived: true },
    ...{ members: [peer("n1")], coordinator: peer("n1"), lost: [], missingAtMost: 0, at: 6 },
  };
  paths.set(world, [bootstrap, forced, proven]);
  world.inventory.ok({ type: "generation.begin", generation: proven, evidence: [] });
  assert.equal(decided(world), []);
});

it("gives it up when the node was seen since; not while it is away again, as it may be back on its side", () => {
  const world = atWork();
  reach(world, "unreachable");
  reach(world, "reachable");
  assert.equal(decided(world), ["run.finish"], "it is here, and its time is over");
  reach(world, "unreachable");
  assert.equal(decided(world), []);
});

it("takes none of them for a job, until it was seen since or the operator forces it", () => {
  const world = fleet();
  fork(world);
  world.request("commission", ["n2"]);
  assert.equal(decided(world), []);
  reach(world, "unreachable");
  reach(world, "reachable");
  assert.equal(decided(world), ["job.node.begin"]);
});

it("begins no further run on them", () => {
  const world = fleet();
  world.request("commission", ["n2"]);
  world.settleUntil(() => world.job("j1").nodes["n2"]?.status === "running");
  fork(world);
  assert.equal(decided(world), []);
});

it.run();
