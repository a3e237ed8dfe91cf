import { suite } from "uvu";
import * as assert from "uvu/assert";
import { planJobs } from "../../../src/lifecycle/job-planner.ts";
import { parseStrategy, wavesOf } from "../../../src/lifecycle/strategy.ts";
import { defaultStrategy } from "../../../src/inventory/records.ts";
import { JobWorld, fail, manifestOf, roleSpec } from "../../support/job-world.ts";

const it = suite("lifecycle: waves, pause and queue");
const names = ["n1", "n2", "n3", "n4", "n5"];
const one = manifestOf(roleSpec("base", { actions: ["configure"] }));

function fleet(): JobWorld {
  const world = new JobWorld(names, one);
  for (const name of names) world.assign(name, "base");
  return world;
}

it("a given strategy replaces single fields of the default", () => {
  const parsed = parseStrategy({ batch: "25%" });
  assert.equal(parsed, { ok: true, strategy: { ...defaultStrategy, batch: "25%" } });
  assert.equal(parseStrategy(undefined), { ok: true, strategy: defaultStrategy });
});

it("all bad fields of a strategy are named together, with the nearest known one", () => {
  const parsed = parseStrategy({
    batch: 0,
    canary: "120%",
    maxFailures: -1,
    onFailure: "stop",
    bach: 1,
  });
  assert.is(parsed.ok, false);
  if (parsed.ok) return;
  assert.equal(
    parsed.problems.map((problem) => problem.field),
    ["batch", "canary", "maxFailures", "onFailure", "bach"],
  );
  assert.match(parsed.problems[4]?.message ?? "", /did you mean "batch"/);
});

const strategies: readonly (readonly [object, readonly number[]])[] = [
  [{}, [5]],
  [{ batch: 2 }, [2, 2, 1]],
  [{ batch: "25%" }, [2, 2, 1]],
  [{ batch: "1%" }, [1, 1, 1, 1, 1]],
  [{ canary: 1, batch: "50%" }, [1, 3, 1]],
  [{ canary: "100%" }, [5]],
  [{ canary: 9, batch: 9 }, [5]],
];
for (const [given, sizes] of strategies) {
  it(`strategy ${JSON.stringify(given)} makes waves of ${sizes.join(", ")} out of 5`, () => {
    const waves = wavesOf(names, { ...defaultStrategy, ...given });
    assert.equal(
      waves.map((wave) => wave.length),
      sizes,
    );
    assert.equal(waves.flat(), names);
  });
}

it("no targets make no waves", () => {
  assert.equal(wavesOf([], { ...defaultStrategy, canary: 1 }), []);
});

it("a wave begins only when the former one ended", () => {
  const world = fleet();
  const job = world.request("commission", names, { strategy: { canary: 1, batch: 2 } });
  world.settleUntil(() => world.work(job, "n1").status === "succeeded");
  assert.is(world.work(job, "n2").status, "pending");
  world.settleUntil(() => world.work(job, "n2").status === "succeeded");
  assert.is(world.work(job, "n4").status, "pending");
  world.settle();
  assert.is(world.job(job).status, "succeeded");
});

it("one failed node harms no other", () => {
  const world = fleet();
  const job = world.request("commission", names, { strategy: { batch: 1 } });
  world.settle((_run, node) => (node === "n2" ? fail(1) : {}));
  assert.is(world.job(job).status, "failed");
  const failed = names.filter((name) => world.node(name).phase !== "commissioned");
  assert.equal(failed, ["n2"]);
});

it("too many failures pause the job before its next wave, and resuming forgives them", () => {
  const world = fleet();
  const strategy = { batch: 2, onFailure: "pause", maxFailures: 0 };
  const job = world.request("commission", names, { strategy });
  const how = (_run: unknown, node: string) => (node === "n1" || node === "n3" ? fail(1) : {});
  world.settle(how);
  assert.is(world.job(job).status, "paused");
  assert.is(world.work(job, "n2").status, "succeeded");
  assert.is(world.work(job, "n3").status, "pending");
  world.inventory.at += 1;
  world.inventory.ok({ type: "job.resume", job });
  world.inventory.at += 1;
  world.settle(how);
  assert.is(world.job(job).status, "paused");
  assert.is(world.work(job, "n4").status, "succeeded");
  assert.is(world.work(job, "n5").status, "pending");
  world.inventory.at += 1;
  world.inventory.ok({ type: "job.resume", job });
  world.settle(how);
  assert.is(world.job(job).status, "failed");
  assert.is(world.work(job, "n5").status, "succeeded");
});

it("as many failures as are allowed do not pause", () => {
  const world = fleet();
  const strategy = { batch: 1, onFailure: "pause", maxFailures: 1 };
  const job = world.request("commission", names, { strategy });
  world.settle((_run, node) => (node === "n1" ? fail(1) : {}));
  assert.is(world.job(job).status, "failed");
  assert.is(world.work(job, "n5").status, "succeeded");
});

it("failures in the last wave end the job instead of pausing it", () => {
  const world = fleet();
  const job = world.request("commission", names, { strategy: { onFailure: "pause" } });
  world.settle(() => fail(1));
  assert.is(world.job(job).status, "failed");
});

it("a paused job finishes what it began, and begins no node", () => {
  const world = fleet();
  const job = world.request("commission", names, { strategy: { batch: 2 } });
  world.settleUntil(() => world.work(job, "n2").current !== null);
  world.inventory.ok({ type: "job.pause", job });
  world.settle();
  assert.is(world.job(job).status, "paused");
  assert.is(world.work(job, "n2").status, "succeeded");
  assert.is(world.work(job, "n3").status, "pending");
  world.inventory.ok({ type: "job.cancel", job });
  world.settle();
  assert.is(world.job(job).status, "cancelled");
  assert.is(world.work(job, "n3").status, "cancelled");
  assert.is(world.node("n3").phase, "discovered");
});

it("a job queues behind the one that holds its node, and starts when that ended", () => {
  const world = fleet();
  const first = world.request("commission", ["n1", "n2"]);
  world.settleUntil(() => world.work(first, "n1").current !== null);
  const second = world.request("verify", ["n2"]);
  assert.is(world.job(second).status, "queued");
  world.settle();
  assert.is(world.job(first).status, "succeeded");
  assert.is.not(world.job(second).status, "queued");
});

it("a younger job does not overtake an older one that waits for the same node", () => {
  const world = fleet();
  const holder = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(holder, "n1").current !== null);
  const older = world.request("commission", ["n1", "n2"], { force: true });
  const younger = world.request("commission", ["n2"]);
  assert.is(world.job(older).status, "queued");
  assert.is(world.job(younger).status, "queued");
  const wishes = planJobs(world.view, world.inventory.at).commands;
  assert.not.ok(wishes.some((command) => command.type === "job.start"));
  world.settle();
  const ended = [holder, older, younger].map((id) => world.job(id).endedAt !== null);
  assert.equal(ended, [true, true, true]);
  assert.is(world.node("n2").phase, "commissioned");
});

it("jobs on different nodes go on side by side", () => {
  const world = fleet();
  const a = world.request("commission", ["n1"]);
  const b = world.request("commission", ["n2"]);
  world.settleUntil(
    () => world.work(a, "n1").current !== null && world.work(b, "n2").current !== null,
    () => null,
  );
});

it("a job of which no node did anything has failed", () => {
  const world = fleet();
  const job = world.request("commission", ["n1"]);
  world.inventory.ok({ type: "node.patch", node: "n1", roles: [] });
  world.settle();
  assert.is(world.job(job).status, "failed");
  assert.match(world.work(job).message, /has no roles/);
});

it("planning is idempotent: asked twice, it answers the same", () => {
  const world = fleet();
  world.request("commission", names, { strategy: { batch: 2 } });
  const first = planJobs(world.view, world.inventory.at);
  assert.equal(planJobs(world.view, world.inventory.at), first);
  assert.is(first.commands.length, 2);
});

it.run();
