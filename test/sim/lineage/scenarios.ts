/** Faults by seed, and what must hold when all of them are over. */
import { type Random, shuffle } from "../../../src/base/random.ts";
import { World } from "./world.ts";

/** All agents are in one generation with a leader, and their logs are the same. */
export function converged(world: World): boolean {
  const agents = world.live();
  const [first] = agents;
  if (first === undefined || agents.length < world.ids.length) return false;
  const chain = first.disk.chainAt(first.disk.lastIndex);
  return agents.every(
    ({ disk, leaderInSight }) =>
      leaderInSight !== null &&
      disk.generation.id === first.disk.generation.id &&
      disk.chainAt(disk.commit - 5) === first.disk.chainAt(disk.commit - 5) &&
      chain !== null &&
      disk.configuration.sets.flat().length >= Math.min(3, world.ids.length),
  );
}

/** Everything acknowledged anywhere is in the history that is left. */
export function checkNothingLost(world: World): void {
  const agent = world.live().find(({ leads }) => leads) ?? world.live()[0];
  const ops = new Set(agent?.disk.ops());
  const lost = [...world.acknowledged].filter((op) => !ops.has(op));
  if (lost.length > 0)
    world.fail(`${lost.length} acknowledged writes are lost: ${lost.slice(0, 5).join(", ")}`);
}

/** Heals everything, starts everybody, and waits until there is one history again. */
export function healAndCheck(world: World): number {
  world.note("everything heals");
  world.network.heal();
  for (const id of world.ids) world.start(id);
  const took = world.until("one history again", 180_000, () => converged(world));
  checkNothingLost(world);
  return took;
}

export function split(world: World, groups: readonly (readonly string[])[]): void {
  world.note(`partition ${groups.map((group) => group.join(",")).join(" | ")}`);
  groups.forEach((group, at) => {
    for (const id of group) world.network.groups.set(id, at);
  });
}

/** A random fault; several in a row make a run. */
export function upset(world: World, random: Random): void {
  const kind = random.below(8);
  const ids = shuffle([...world.ids], random);
  const cut = 1 + random.below(Math.max(1, ids.length - 1));
  switch (kind) {
    case 0:
      return split(world, [ids.slice(0, cut), ids.slice(cut)]);
    case 1: {
      const second = cut + random.below(ids.length - cut + 1);
      return split(world, [ids.slice(0, cut), ids.slice(cut, second), ids.slice(second)]);
    }
    case 2:
      world.note("heals");
      return world.network.heal();
    case 3:
      for (const id of ids.slice(0, cut)) world.crash(id);
      return;
    case 4:
      for (const id of ids.slice(0, cut)) world.start(id);
      return;
    case 5:
      world.network.loss = random.float() * 0.3;
      return;
    case 6:
      world.note(`deaf ${ids[0]} to ${ids[1]}`);
      world.network.deaf.add(`${ids[1]} ${ids[0]}`);
      return;
    case 7:
      for (const id of ids) world.crash(id);
      for (const id of ids.slice(0, cut)) world.start(id);
      return;
  }
}

/** Random faults for a while, then everything heals. */
export function fuzz(seed: number): World {
  const nodes = [2, 3, 5, 3, 4][seed % 5] ?? 3;
  const world = new World(nodes, seed);
  world.run(3000);
  const faults = 3 + world.random.below(6);
  for (let i = 0; i < faults; i += 1) {
    upset(world, world.random);
    world.run(500 + world.random.below(15_000));
  }
  healAndCheck(world);
  return world;
}
