/** Held until everybody who was told says that it went no further without this agent. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExitHold } from "../../../../src/agent/supervisor/exit-hold.ts";
import { HoldKeeper } from "../../../../src/agent/supervisor/hold-keeper.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { AgentError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import {
  bootstrapLineage,
  currentGeneration,
} from "../../../../src/consensus/lineage/generation.ts";
import { type Lineage } from "../../../../src/consensus/lineage/types.ts";
import { until } from "../../../support/until.ts";

interface World {
  folder: string;
  hold: ExitHold;
  answers: Map<string, "void" | "used" | "silent">;
  lineage: Lineage;
  /** For which generation. */
  asked: string[];
  released: number;
  keeper: HoldKeeper;
  coldMs: number;
  silenceMs: number;
}

const it = suite<World>("hold-keeper");

it.before.each(async (world) => {
  world.folder = await mkdtemp(path.join(os.tmpdir(), "muster-test-"));
  world.hold = await ExitHold.read(world.folder);
  await world.hold.add({ nonce: "1", asker: "b" });
  await world.hold.add({ nonce: "2", asker: "c" });
  world.answers = new Map();
  world.lineage = bootstrapLineage("c1");
  world.asked = [];
  world.released = 0;
  world.coldMs = 60_000;
  world.silenceMs = 30_000;
  world.keeper = new HoldKeeper({
    hold: world.hold,
    node: {
      lineage: () => world.lineage,
      release: () => {
        world.released += 1;
        return Promise.resolve();
      },
    },
    settleExit: (asker, { generation }) => {
      world.asked.push(generation);
      const answer = world.answers.get(asker) ?? "silent";
      if (answer !== "silent") return Promise.resolve(answer);
      return Promise.reject(new AgentError("PEER_UNREACHABLE", "silence"));
    },
    coldMs: () => world.coldMs,
    silenceMs: () => world.silenceMs,
    clock: systemClock,
    logger: silentLogger,
  });
  await world.keeper.start();
});
it.after.each(async ({ keeper, folder }) => {
  await keeper.stop();
  await rm(folder, { recursive: true, force: true });
});

it("takes part again when all who were told have renounced", async (world) => {
  world.answers.set("b", "void");
  await until({ what: "b is settled" }, () => world.hold.statements.length === 1);
  assert.is(world.released, 0, "c may still go on without it");
  world.answers.set("c", "void");
  await until({ what: "it is released" }, () => world.released === 1);
  assert.equal((await ExitHold.read(world.folder)).statements, []);
});

it("waits for the new generation when one went on without it", async (world) => {
  world.answers.set("b", "void");
  world.answers.set("c", "used");
  await until({ what: "b is settled" }, () => world.hold.statements.length === 1);
  assert.is(world.released, 0);
  const child = { ...currentGeneration(world.lineage), n: 2, id: "child" };
  world.lineage = { ...world.lineage, generations: [...world.lineage.generations, child] };
  await until({ what: "it is released into the child" }, () => world.released === 1);
  assert.equal((await ExitHold.read(world.folder)).statements, []);
});

it("may leave for a generation of its own when that of the others is not adopted in time", async (world) => {
  world.silenceMs = 1000;
  world.answers.set("b", "used");
  world.answers.set("c", "silent");
  await until({ what: "it asks for longer than that" }, () => world.asked.length > 14);
  assert.not.ok(world.keeper.isOver(), "who went on without it may be alone there, and down");
  world.answers.set("c", "used");
  await until({ what: "the wait is over" }, () => world.keeper.isOver());
  assert.ok(world.asked.length > 2, "they answered all the time");
  assert.is(world.released, 0, "in the old one never");
});

it("asks about the generation it is back in, which may be later than one it was lost in", async (world) => {
  await until({ what: "it asks" }, () => world.asked.length > 0);
  assert.is(world.asked[0], currentGeneration(world.lineage).id);
});

it("takes part again when it started over in its generation, though nobody answers", async (world) => {
  world.lineage = { ...world.lineage, voteFrom: { term: 2, index: 7 } };
  await until({ what: "it is released" }, () => world.released === 1);
  assert.equal(world.hold.statements, []);
});

it("may leave for a generation of its own when nobody answers for long, or the operator says so", (world) => {
  assert.not(world.keeper.isOver());
  world.coldMs = 0;
  assert.ok(world.keeper.isOver());
  world.coldMs = 60_000;
  assert.not(world.keeper.isOver());
  world.keeper.giveUp();
  assert.ok(world.keeper.isOver());
});

it.run();
