import { suite } from "uvu";
import * as assert from "uvu/assert";

import { planJobs } from "../../../src/lifecycle/job-planner.ts";
import { JobWorld, endings, fail, manifestOf, rev1, roleSpec } from "../../support/job-world.ts";

const it = suite("lifecycle: commission");

function started(...roles: readonly string[]): JobWorld {
  const world = new JobWorld(["n1"]);
  world.assign("n1", ...roles);
  return world;
}

it("configures and verifies each role, required ones first", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), [
    "n1:base/configure",
    "n1:base/verify",
    "n1:web/configure",
    "n1:web/verify",
  ]);
  assert.is(world.job(job).status, "succeeded");
  const node = world.node();
  assert.is(node.phase, "commissioned");
  assert.is(node.revision, rev1);
  assert.equal(node.appliedRoles, ["base", "web"]);
  assert.is(world.configured(), "True");
  assert.is(node.job, null);
  const { status, step, exitCode } = world.work(job);
  assert.equal(
    { status, step, exitCode },
    { status: "succeeded", step: "web/verify", exitCode: 0 },
  );
});

it("skips the verification of a role that has none", () => {
  const world = new JobWorld(["n1"], manifestOf(roleSpec("web", { actions: ["configure"] })));
  const job = world.request("commission", ["n1"], { roles: ["web"] });
  world.settle();
  assert.equal(world.takeRuns(), ["n1:web/configure"]);
  assert.is(world.job(job).status, "succeeded");
});

it("assigns the roles that it names, so that an upgrade keeps them", () => {
  const world = started();
  world.request("commission", ["n1"], { roles: ["web"] });
  world.settle();
  assert.equal(world.view.spec("n1").roles, ["web"]);
  assert.is(world.configured(), "True");
  world.takeRuns();
  world.request("upgrade", ["n1"]);
  world.settle();
  assert.not.ok(world.takeRuns().some((run) => run.includes("cleanup")));
});

it("says that assigned roles are missing when it was asked for only some", () => {
  const world = started("web");
  world.request("commission", ["n1"], { roles: ["base"] });
  world.settle();
  assert.is(world.node().phase, "commissioned");
  assert.is(world.configured(), "Unknown");
});

it("cleans up what it began, last role first, and fails with the first cause", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settle(
    endings({ "web/configure": { outcome: "failed", exitCode: 7, message: "no disk" } }),
  );
  assert.equal(world.takeRuns(), [
    "n1:base/configure",
    "n1:base/verify",
    "n1:web/configure",
    "n1:web/cleanup",
    "n1:base/cleanup",
  ]);
  const { status, step, exitCode, message } = world.work(job);
  assert.equal(
    { status, step, exitCode },
    { status: "failed", step: "web/configure", exitCode: 7 },
  );
  assert.match(message, /web\/configure failed with exit code 7: no disk/);
  assert.is(world.job(job).status, "failed");
  assert.is(world.node().phase, "failed");
  assert.equal(world.node().appliedRoles, []);
  assert.is(world.node().revision, null);
  assert.is(world.configured(), "Broken");
});

it("goes on cleaning up when one clean-up fails, and keeps that role on its list", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settle(endings({ "web/configure": fail(7), "web/cleanup": fail(1) }));
  assert.equal(world.takeRuns().slice(-2), ["n1:web/cleanup", "n1:base/cleanup"]);
  assert.is(world.work(job).exitCode, 7);
  assert.match(world.work(job).message, /web\/cleanup did not succeed either/);
  assert.equal(world.node().appliedRoles, ["web"]);
});

it("takes drift right after the push for a failure", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settle(
    endings({ "base/verify": { outcome: "drifted", exitCode: 2, message: "ntp.conf" } }),
  );
  const { status, step, exitCode, message } = world.work(job);
  assert.equal({ status, step, exitCode }, { status: "failed", step: "base/verify", exitCode: 2 });
  assert.match(message, /right after the push found drift: ntp\.conf/);
  assert.equal(world.takeRuns().at(-1), "n1:base/cleanup");
});

it("ends failed when its run times out, and says after how long", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  const startedAt = world.inventory.at;
  const end = { outcome: "timed-out", startedAt, endedAt: startedAt + 60_000 } as const;
  world.settle(endings({ "base/configure": { ...end, exitCode: null } }));
  assert.is(world.work(job).status, "failed");
  assert.match(world.work(job).message, /timed out after 1m/);
});

it("declares a run lost when nothing comes back, cleans up, and fails", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  const before = world.inventory.at;
  world.settle(endings({ "base/configure": null }));
  assert.is(world.inventory.at - before, 60_000 + 60_000);
  assert.equal(world.takeRuns(), ["n1:base/configure", "n1:base/cleanup"]);
  assert.is(world.work(job).status, "lost");
  assert.is(world.job(job).status, "failed");
  assert.is(world.node().phase, "failed");
  assert.is(world.configured(), "Unknown");
  assert.is(world.view.ledger("n1")[0]?.outcome, "lost");
});

it("does not clean up a node that went away for long, and keeps its roles on the list", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).current !== null);
  world.lose("n1");
  world.settle(endings({ "base/configure": null }));
  assert.equal(world.takeRuns(), ["n1:base/configure"]);
  assert.is(world.work(job).status, "lost");
  assert.match(world.work(job).message, /clean-up did not run/);
  assert.equal(world.node().appliedRoles, ["base"]);
  assert.is(world.node().phase, "failed");
});

it("waits for a node that is away between two runs, and goes on when it is back", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).runs.length === 1);
  world.lose("n1");
  world.inventory.at += 500_000;
  world.find("n1");
  world.settle();
  assert.is(world.job(job).status, "succeeded");
});

it("gives a node up that stays away between two runs", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).runs.length === 1);
  world.lose("n1");
  world.settle();
  assert.is(world.work(job).status, "lost");
  assert.match(world.work(job).message, /went away before base\/verify/);
  assert.is(world.node().phase, "failed");
});

it("decides nothing about a node that may be at work on another side, until the generation is settled", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).runs.length === 1);
  const leftBehind = new Map([[world.node().id, world.inventory.at]]);
  world.lose("n1");
  for (let minute = 0; minute < 60; minute += 1) {
    world.inventory.at += 60_000;
    assert.equal(planJobs(world.view, world.inventory.at, undefined, leftBehind).commands, []);
  }
  assert.is(world.work(job).status, "running");
  world.settle();
  assert.is(world.work(job).status, "lost");
});

it("when cancelled, waits for the run to stop, cleans up, and leaves the node failed", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).current?.role === "web");
  world.inventory.ok({ type: "job.cancel", job });
  world.settle(endings({ "web/configure": { outcome: "cancelled", exitCode: null } }));
  assert.equal(world.takeRuns().slice(-2), ["n1:web/cleanup", "n1:base/cleanup"]);
  assert.is(world.work(job).status, "cancelled");
  assert.is(world.job(job).status, "cancelled");
  assert.is(world.node().phase, "failed");
  assert.equal(world.node().appliedRoles, []);
});

it("when cancelled between two runs, begins none but the clean-up", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).runs.length === 2);
  world.inventory.ok({ type: "job.cancel", job });
  world.settle();
  assert.equal(world.takeRuns(), ["n1:base/configure", "n1:base/verify", "n1:base/cleanup"]);
  assert.is(world.job(job).status, "cancelled");
});

it("when cancelled while nothing can run there, ends soon", () => {
  const world = started("web");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).current?.role === "web");
  world.lose("n1");
  const before = world.inventory.at;
  world.inventory.ok({ type: "job.cancel", job });
  world.settle(() => null);
  assert.is.not(world.job(job).status, "running");
  assert.ok(world.inventory.at - before <= 120_000);
  assert.is(world.node().phase, "failed");
});

it("that succeeds before the order to cancel is seen has succeeded", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(job).current?.action === "verify");
  world.inventory.ok({ type: "job.cancel", job });
  world.settle();
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "commissioned");
});

it("that is retried begins anew, with run ids of its own", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.settle(endings({ "base/configure": fail(1) }));
  assert.is(world.job(job).status, "failed");
  world.inventory.ok({ type: "job.retry", job });
  world.settle();
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "commissioned");
  const ids = world.work(job).runs.map((run) => run.id);
  assert.is(new Set(ids).size, ids.length);
  assert.is(world.view.ledger("n1").length, ids.length);
});

it("that would give a node more roles than it can have fails instead of trying for ever", () => {
  const names = Array.from({ length: 70 }, (_, i) => `role-${i}`);
  const world = new JobWorld(["n1"], manifestOf(...names.map((name) => roleSpec(name))));
  world.assign("n1", ...names.slice(0, 40));
  const job = world.request("commission", ["n1"], { roles: names.slice(30) });
  world.settle();
  assert.is(world.job(job).status, "failed");
  assert.match(world.work(job).message, /70 roles would be assigned to the node; at most 64/);
  assert.is(world.node().phase, "discovered");
});

it("of a node that left meanwhile fails before anything changes", () => {
  const world = started("base");
  const job = world.request("commission", ["n1"]);
  world.lose("n1");
  world.settle();
  assert.equal(world.takeRuns(), []);
  assert.is(world.work(job).status, "failed");
  assert.match(world.work(job).message, /unreachable/);
  assert.is(world.node().phase, "discovered");
});

it("of a node that was forgotten in the middle ends, and harms no other", () => {
  const world = new JobWorld(["n1", "n2"]);
  world.assign("n1", "base");
  world.assign("n2", "base");
  const job = world.request("commission", ["n1", "n2"]);
  world.settleUntil(() => world.work(job, "n2").current !== null);
  world.inventory.ok({ type: "node.forget", node: "n2", force: true });
  world.settle();
  assert.is(world.work(job, "n2").status, "lost");
  assert.is(world.work(job, "n1").status, "succeeded");
  assert.is(world.job(job).status, "failed");
});

it.run();
