import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JobStatus } from "../../../src/inventory/records.ts";
import { discoveryDigest, planAutoCommission } from "../../../src/lifecycle/auto-commission.ts";
import { LifecycleController } from "../../../src/lifecycle/controller.ts";
import { admit } from "../../support/inventory.ts";
import { JobWorld, endings, fail, succeed } from "../../support/job-world.ts";
import { Replica } from "../../support/replica.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("lifecycle: controller and auto-commission");

interface Fixture {
  readonly world: JobWorld;
  readonly replica: Replica;
  readonly clock: VirtualClock;
  readonly controller: LifecycleController;
}

function fixture(): Fixture {
  const clock = new VirtualClock();
  const world = new JobWorld(["n1", "n2"]);
  const replica = new Replica(world.inventory, clock);
  world.inventory.at = clock.wallMs();
  return {
    world,
    replica,
    clock,
    controller: new LifecycleController({}, { ...replica.deps, leftBehind: () => new Map() }),
  };
}

async function until(f: Fixture, job: string, status: JobStatus, how = succeed): Promise<void> {
  for (let turn = 0; turn < 100 && f.world.job(job).status !== status; turn += 1) {
    await f.clock.advance(100);
    f.world.inventory.at = f.clock.wallMs();
    if (f.world.endRuns(how)) f.replica.notify();
  }
  assert.is(f.world.job(job).status, status);
}

it("carries a job out, woken by what is applied", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  await f.controller.start();
  const job = f.world.request("commission", ["n1"]);
  f.replica.notify();
  await until(f, job, "succeeded");
  await f.controller.stop();
});

it("does nothing while another agent leads, and goes on where that one stopped", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  f.replica.isLeader = false;
  await f.controller.start();
  const job = f.world.request("commission", ["n1"]);
  f.world.settleUntil(() => f.world.work(job).runs.length === 2);
  f.replica.notify();
  await f.clock.advance(60_000);
  assert.equal(f.replica.proposed, []);
  f.replica.lead(true);
  await until(f, job, "succeeded");
  const ids = f.world.work(job).runs.map((run) => run.id);
  assert.is(new Set(ids).size, 4);
  await f.controller.stop();
});

it("plans nothing before it has seen what former leaders committed", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  f.world.request("commission", ["n1"]);
  f.replica.hasQuorum = false;
  await f.controller.start();
  await f.clock.advance(5000);
  assert.equal(f.replica.proposed, []);
  f.replica.hasQuorum = true;
  await f.clock.advance(1000);
  assert.ok(f.replica.proposed.length > 0);
  await f.controller.stop();
});

it("confirms its replica again after a command whose outcome is unknown", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  await f.controller.start();
  await f.clock.advance(100);
  const before = f.replica.barriers;
  f.replica.failures.push("UNKNOWN_OUTCOME");
  const job = f.world.request("commission", ["n1"]);
  f.replica.notify();
  await until(f, job, "succeeded");
  assert.is(f.replica.barriers, before + 1);
  await f.controller.stop();
});

it("does not spin on commands that are refused or cannot be proposed", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  for (let i = 0; i < 1000; i += 1) f.replica.failures.push("BUSY");
  await f.controller.start();
  f.world.request("commission", ["n1"]);
  f.replica.notify();
  await f.clock.advance(10_000);
  assert.ok(
    1000 - f.replica.failures.length <= 25,
    `${1000 - f.replica.failures.length} proposals`,
  );
  await f.controller.stop();
});

it("wakes at a run's deadline although nothing was applied", async () => {
  const f = fixture();
  f.world.assign("n1", "web");
  await f.controller.start();
  const job = f.world.request("commission", ["n1"]);
  f.replica.notify();
  await f.clock.advance(100_000);
  assert.is(f.world.work(job).runs.length, 0);
  await f.clock.advance(30_000);
  assert.is(f.world.work(job).runs[0]?.outcome, "lost");
  await f.controller.stop();
});

function autoCommission(world: JobWorld, selector: string, roles: readonly string[]): void {
  const settings = { autoCommission: { selector, roles }, repair: "report" } as const;
  world.inventory.ok({ type: "settings.put", settings });
}

function plannedTargets(world: JobWorld): readonly string[] {
  return planAutoCommission(world.view, world.inventory.at).flatMap((command) =>
    command.type === "job.create" ? command.targets : [],
  );
}

it("auto-commission takes discovered nodes as soon as it is set, and new ones as they come", async () => {
  const f = fixture();
  await f.controller.start();
  await f.clock.advance(1000);
  assert.equal(f.replica.proposed, []);
  autoCommission(f.world, "name!=n2", ["base"]);
  f.replica.notify();
  await f.clock.advance(1000);
  const [job] = f.world.view.jobs();
  assert.equal(job?.targets, ["n1"]);
  await until(f, job?.id ?? "", "succeeded");
  f.replica.apply(admit("n3"));
  await f.clock.advance(1000);
  assert.equal(f.world.view.jobs().at(-1)?.targets, ["n3"]);
  assert.is(f.world.view.jobs().length, 2);
  await f.controller.stop();
});

it("auto-commission tries a node once: not again when it failed, nor when it was cleaned up", () => {
  const world = new JobWorld(["n1"]);
  autoCommission(world, "phase=discovered", ["base"]);
  const [command] = planAutoCommission(world.view, world.inventory.at);
  assert.ok(command);
  if (command === undefined) return;
  world.inventory.ok(command);
  assert.equal(plannedTargets(world), []);
  world.settle(endings({ "base/configure": fail(1) }));
  assert.is(world.node().phase, "failed");
  assert.equal(plannedTargets(world), []);
  world.request("cleanup", ["n1"]);
  world.settle();
  assert.is(world.node().phase, "discovered");
  assert.equal(plannedTargets(world), []);
});

it("auto-commission waits for what it needs: a known role, a reachable node", () => {
  const world = new JobWorld(["n1", "n2"]);
  autoCommission(world, "name=n1", ["nosuch"]);
  assert.equal(plannedTargets(world), []);
  autoCommission(world, "name=n1", ["base"]);
  world.lose("n1");
  assert.equal(plannedTargets(world), []);
  world.find("n1");
  assert.equal(plannedTargets(world), ["n1"]);
});

it("auto-commission leaves a node alone that an operator is at work on", () => {
  const world = new JobWorld(["n1"]);
  autoCommission(world, "name=n1", ["base"]);
  world.request("commission", ["n1"], { roles: ["web"] });
  assert.equal(plannedTargets(world), []);
});

it("two agents make the same id suffix of one discovery, and different ones of two", () => {
  const world = new JobWorld(["n1", "n2"]);
  const digest = discoveryDigest(world.node("n1"));
  assert.match(digest, /^[0-9a-z]{9}$/);
  assert.is(discoveryDigest(world.node("n1")), digest);
  assert.is.not(discoveryDigest(world.node("n2")), digest);
  const again = { ...world.node("n1"), discoveredAt: world.node("n1").discoveredAt + 1 };
  assert.is.not(discoveryDigest(again), digest);
});

it.run();
