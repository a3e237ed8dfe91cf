import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Manifest } from "../../../src/inventory/records.ts";
import { setRevision } from "../../support/inventory.ts";
import {
  type JobWorld,
  commissioned,
  endings,
  fail,
  manifestOf,
  rev1,
  roleSpec,
  twoRoles,
} from "../../support/job-world.ts";

const it = suite("lifecycle: upgrade");
const rev2 = "rev2";

function upgraded(manifest: Manifest = twoRoles): JobWorld {
  const world = commissioned();
  setRevision(world.inventory, rev2, manifest);
  return world;
}

const withUpgrade = manifestOf(
  roleSpec("base"),
  roleSpec("web", {
    requires: ["base"],
    actions: ["configure", "verify", "cleanup", "upgrade"],
  }),
);

it("upgrades roles that can, configures the others, and verifies each", () => {
  const world = upgraded(withUpgrade);
  const job = world.request("upgrade", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), [
    "n1:base/configure@rev2",
    "n1:base/verify@rev2",
    "n1:web/upgrade@rev2",
    "n1:web/verify@rev2",
  ]);
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().revision, rev2);
  assert.is(world.node().phase, "commissioned");
  assert.is(world.configured(), "True");
});

it("configures a role that is new on the node even if it has an upgrade", () => {
  const world = commissioned(withUpgrade);
  const job = world.request("cleanup", ["n1"], { roles: ["web"] });
  world.settle();
  assert.is(world.job(job).status, "succeeded");
  assert.equal(world.node().appliedRoles, ["base"]);
  const wider = manifestOf(
    roleSpec("base"),
    roleSpec("web"),
    roleSpec("db", { actions: ["configure", "upgrade"] }),
  );
  setRevision(world.inventory, rev2, wider);
  world.assign("n1", "base", "db");
  world.takeRuns();
  world.request("upgrade", ["n1"]);
  world.settle();
  assert.ok(world.takeRuns().includes("n1:db/configure@rev2"));
});

it("cleans up roles that are no longer assigned, by the revision they came from", () => {
  const world = upgraded(manifestOf(roleSpec("base")));
  world.assign("n1", "base");
  const job = world.request("upgrade", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), [
    "n1:base/configure@rev2",
    "n1:base/verify@rev2",
    "n1:web/cleanup",
  ]);
  assert.is(world.job(job).status, "succeeded");
  assert.equal(world.node().appliedRoles, ["base"]);
});

it("of one named role leaves the others as they are", () => {
  const world = upgraded();
  world.assign("n1", "base");
  const job = world.request("upgrade", ["n1"], { roles: ["base"] });
  world.settle();
  assert.equal(world.takeRuns(), ["n1:base/configure@rev2", "n1:base/verify@rev2"]);
  assert.is(world.job(job).status, "succeeded");
  assert.equal(world.node().appliedRoles, ["base", "web"]);
});

it("that fails goes back to the last good revision with the vars it had", () => {
  const world = commissioned();
  setRevision(world.inventory, rev2, twoRoles);
  world.inventory.ok({ type: "var.put", key: "port", value: 81 });
  const job = world.request("upgrade", ["n1"]);
  world.settle(endings({ "web/configure/1": fail(9) }));
  assert.equal(world.takeRuns(), [
    "n1:base/configure@rev2",
    "n1:base/verify@rev2",
    "n1:web/configure@rev2",
    "n1:base/configure",
    "n1:base/verify",
    "n1:web/configure",
    "n1:web/verify",
  ]);
  const { status, step, exitCode, message } = world.work(job);
  assert.equal(
    { status, step, exitCode },
    { status: "rolled-back", step: "web/configure", exitCode: 9 },
  );
  assert.match(message, /rolled back to rev1/);
  assert.is(world.job(job).status, "rolled-back");
  assert.is(world.node().phase, "commissioned");
  assert.is(world.node().revision, rev1);
  assert.is(world.configured(), "True");
  const vars = world.view.ledger("n1").map((run) => run.vars["port"] ?? null);
  assert.equal(vars.slice(-7), [81, 81, 81, null, null, null, null]);
});

it("goes back also within one revision, when only vars changed", () => {
  const world = commissioned();
  world.inventory.ok({ type: "var.put", key: "port", value: -1 });
  const job = world.request("upgrade", ["n1"]);
  world.settle(endings({ "base/verify/1": { outcome: "drifted", exitCode: 2 } }));
  assert.is(world.work(job).status, "rolled-back");
  const last = world.view.ledger("n1").findLast((run) => run.action === "configure");
  assert.is(last?.vars["port"], undefined);
});

it("goes back from vars of its own: what was there before is verified with its own vars", () => {
  const world = commissioned();
  const job = world.request("upgrade", ["n1"], { vars: { port: -1 } });
  world.settle(endings({ "web/configure/1": fail(9) }));
  assert.is(world.work(job).status, "rolled-back");
  const ports = world.view.ledger("n1").map((run) => run.vars["port"] ?? null);
  assert.equal(ports.slice(-7), [-1, -1, -1, null, null, null, null]);
});

it("takes away what was new when it goes back", () => {
  const wider = manifestOf(
    roleSpec("base"),
    roleSpec("web", { requires: ["base"] }),
    roleSpec("xtra"),
  );
  const world = upgraded(wider);
  world.assign("n1", "web", "xtra");
  world.request("upgrade", ["n1"]);
  world.settle(endings({ "xtra/verify": fail(1) }));
  const runs = world.takeRuns();
  const back = runs.slice(runs.indexOf("n1:xtra/cleanup@rev2"));
  assert.is(back.filter((run) => run.includes("xtra")).length, 1);
  assert.equal(world.node().appliedRoles, ["base", "web"]);
  assert.is(world.node().revision, rev1);
});

it("puts a role back whose clean-up failed", () => {
  const world = upgraded(manifestOf(roleSpec("base")));
  world.assign("n1", "base");
  const job = world.request("upgrade", ["n1"]);
  world.settle(endings({ "web/cleanup": fail(4) }));
  assert.is(world.work(job).status, "rolled-back");
  assert.ok(world.takeRuns().includes("n1:web/configure"));
  assert.equal(world.node().appliedRoles, ["base", "web"]);
});

it("that fails, and fails going back, leaves the node failed with the first cause", () => {
  const world = upgraded();
  const job = world.request("upgrade", ["n1"]);
  world.settle(endings({ "base/configure/1": fail(9), "base/configure/2": fail(8) }));
  const { status, step, exitCode, message } = world.work(job);
  assert.equal(
    { status, step, exitCode },
    { status: "failed", step: "base/configure", exitCode: 9 },
  );
  assert.match(message, /going back: base\/configure failed with exit code 8/);
  assert.is(world.node().phase, "failed");
  assert.is(world.job(job).status, "failed");
  assert.is(world.configured(), "Broken");
});

it("that is cancelled stays commissioned, with an unknown configuration", () => {
  const world = upgraded();
  const job = world.request("upgrade", ["n1"]);
  world.settleUntil(() => world.work(job).current?.role === "web");
  world.inventory.ok({ type: "job.cancel", job });
  world.settle(endings({ "web/configure": { outcome: "cancelled", exitCode: null } }));
  assert.is(world.work(job).status, "cancelled");
  assert.is(world.node().phase, "commissioned");
  assert.is(world.node().revision, rev1);
  assert.is(world.configured(), "Unknown");
});

it("that is lost stays commissioned, with an unknown configuration", () => {
  const world = upgraded();
  const job = world.request("upgrade", ["n1"]);
  world.settle(endings({ "base/configure": null }));
  assert.is(world.work(job).status, "lost");
  assert.is(world.node().phase, "commissioned");
  assert.is(world.configured(), "Unknown");
});

it("can be cancelled on its way back", () => {
  const world = upgraded();
  const job = world.request("upgrade", ["n1"]);
  world.settleUntil(
    () => world.work(job).current?.revision === rev1,
    endings({ "base/verify/1": fail(9) }),
  );
  world.inventory.ok({ type: "job.cancel", job });
  world.settle(endings({ "base/configure/2": { outcome: "cancelled", exitCode: null } }));
  assert.is(world.work(job).status, "cancelled");
  assert.is(world.node().phase, "commissioned");
  assert.is(world.configured(), "Unknown");
});

it("that rolled back can be tried again as a new job", () => {
  const world = upgraded();
  world.request("upgrade", ["n1"]);
  world.settle(endings({ "base/configure/1": fail(9) }));
  const job = world.request("upgrade", ["n1"]);
  world.settle();
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().revision, rev2);
});

it.run();
