/** A machine that is overloaded, among some that are not: nobody is held for silent who merely takes longer. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../src/base/assert.ts";
import { type SimAgent } from "./agent.ts";
import { healAndCheck } from "./scenarios.ts";
import { World } from "./world.ts";

const it = suite("sim/lineage: slow and fast");

/** Seven agents with a leader, of which `slow` take their turns a second late, and know it. */
function withSlow(seed: number, slow: readonly string[]): World {
  const world = new World(7, seed);
  world.until("a leader", 10_000, () => world.live().some(({ leads }) => leads));
  world.run(2000);
  for (const id of slow) {
    const agent = must(world.running(id), "all run");
    agent.slowness = 8;
    agent.tickEveryMs = 1000;
  }
  return world;
}

/** Kills the majority; returns who is in the generation in which the others go on, by the one of them that leads. */
function survivorsOf(world: World, limitMs: number): readonly string[] {
  for (const id of ["n4", "n5", "n6", "n7"]) world.crash(id);
  const goOn = ({ leads, disk }: SimAgent): boolean => leads && disk.lineage.generations.length > 1;
  world.until("they go on", limitMs, () => world.live().some(goOn));
  const { lineage } = must(world.live().find(goOn), "one leads").disk;
  return must(lineage.generations.at(-1), "a path has an end").members.toSorted();
}

it("the majority dies: the others go on together, the slow with the fast", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const world = withSlow(seed, ["n1"]);
    assert.equal(survivorsOf(world, 40_000), ["n1", "n2", "n3"], `seed ${seed}`);
    healAndCheck(world);
  }
});

it("goes on also where the slow are the most, or all", () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    for (const slow of [
      ["n1", "n2"],
      ["n1", "n2", "n3"],
    ]) {
      const world = withSlow(seed, slow);
      survivorsOf(world, 60_000);
      healAndCheck(world);
    }
  }
});

it.run();
