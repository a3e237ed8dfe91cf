import { suite } from "uvu";
import * as assert from "uvu/assert";
import { setRevision } from "../../support/inventory.ts";
import {
  JobWorld,
  commissioned,
  endings,
  fail,
  manifestOf,
  rev1,
  roleSpec,
} from "../../support/job-world.ts";

const it = suite("lifecycle: verify, clean-up, decommission");
const drift = { outcome: "drifted", exitCode: 2, message: "ntp.conf" } as const;

it("verify compares with what was applied: its revision and its vars, not those of now", () => {
  const world = commissioned();
  world.inventory.ok({ type: "var.put", key: "port", value: 81 });
  setRevision(world.inventory, "rev2", manifestOf());
  const job = world.request("verify", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), ["n1:base/verify", "n1:web/verify"]);
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.view.ledger("n1").at(-1)?.vars["port"], undefined);
  assert.is(world.configured(), "True");
});

it("verify that finds drift did its work, and says so by exit code and condition", () => {
  const world = commissioned();
  const job = world.request("verify", ["n1"]);
  world.settle(endings({ "base/verify": drift }));
  assert.equal(world.takeRuns(), ["n1:base/verify", "n1:web/verify"]);
  assert.is(world.job(job).status, "succeeded");
  const { status, step, exitCode, message } = world.work(job);
  assert.equal(
    { status, step, exitCode },
    { status: "succeeded", step: "base/verify", exitCode: 2 },
  );
  assert.match(message, /ntp\.conf/);
  assert.is(world.configured(), "Drifted");
  assert.is(world.node().phase, "commissioned");
});

it("verify that cannot tell is a failure, whatever drifted besides", () => {
  const world = commissioned();
  const job = world.request("verify", ["n1"]);
  world.settle(endings({ "base/verify": drift, "web/verify": fail(1) }));
  assert.is(world.job(job).status, "failed");
  assert.is(world.work(job).exitCode, 1);
  assert.is(world.configured(), "Broken");
});

it("verify of one role does not vouch for the others", () => {
  const world = commissioned();
  world.request("verify", ["n1"]);
  world.settle(endings({ "web/verify": drift }));
  world.request("verify", ["n1"], { roles: ["base"] });
  world.settle();
  assert.is(world.configured(), "Drifted");
});

it("verify that is lost leaves the phase and an unknown configuration", () => {
  const world = commissioned();
  const job = world.request("verify", ["n1"]);
  world.settle(endings({ "web/verify": null }));
  assert.is(world.work(job).status, "lost");
  assert.is(world.job(job).status, "failed");
  assert.is(world.node().phase, "commissioned");
  assert.is(world.configured(), "Unknown");
});

it("clean-up takes roles away, dependents first, and leaves the node discovered", () => {
  const world = commissioned();
  const job = world.request("cleanup", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), ["n1:web/cleanup", "n1:base/cleanup"]);
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "discovered");
  assert.is(world.node().revision, null);
  assert.is(world.configured(), null);
});

it("clean-up uses the revision each role came from, even if the repository dropped it", () => {
  const world = commissioned();
  setRevision(world.inventory, "rev2", manifestOf(roleSpec("other")));
  world.request("cleanup", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), ["n1:web/cleanup", "n1:base/cleanup"]);
});

it("clean-up of some roles leaves the node commissioned with the rest", () => {
  const world = commissioned();
  world.request("cleanup", ["n1"], { roles: ["web"] });
  world.settle();
  assert.is(world.node().phase, "commissioned");
  assert.equal(world.node().appliedRoles, ["base"]);
  assert.is(world.node().revision, rev1);
  assert.is(world.configured(), "Unknown");
});

it("clean-up that fails stops there, and the node is failed, never discovered", () => {
  const world = commissioned();
  const job = world.request("cleanup", ["n1"]);
  world.settle(endings({ "web/cleanup": fail(3) }));
  assert.equal(world.takeRuns(), ["n1:web/cleanup"]);
  assert.is(world.node().phase, "failed");
  assert.is(world.work(job).exitCode, 3);
  assert.equal(world.node().appliedRoles, ["base", "web"]);
});

it("clean-up brings a failed node back to discovered, also when nothing is on it", () => {
  const world = new JobWorld(["n1"]);
  world.assign("n1", "base");
  world.request("commission", ["n1"]);
  world.settle(endings({ "base/configure": fail(1) }));
  assert.is(world.node().phase, "failed");
  world.request("cleanup", ["n1"]);
  world.settle();
  assert.is(world.node().phase, "discovered");
});

it("decommission takes everything away", () => {
  const world = commissioned();
  const job = world.request("decommission", ["n1"]);
  world.settle();
  assert.equal(world.takeRuns(), ["n1:web/cleanup", "n1:base/cleanup"]);
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "decommissioned");
  assert.is(world.node().revision, null);
  assert.is(world.configured(), null);
});

it("decommission whose clean-up fails is failed", () => {
  const world = commissioned();
  const job = world.request("decommission", ["n1"]);
  world.settle(endings({ "web/cleanup": fail(3) }));
  assert.is(world.work(job).status, "failed");
  assert.is(world.node().phase, "failed");
});

it("decommission by force goes on past a failure, and names it", () => {
  const world = commissioned();
  const job = world.request("decommission", ["n1"], { force: true });
  world.settle(endings({ "web/cleanup": fail(3) }));
  assert.equal(world.takeRuns(), ["n1:web/cleanup", "n1:base/cleanup"]);
  assert.is(world.job(job).status, "succeeded");
  assert.match(world.work(job).message, /by force, although web\/cleanup failed/);
  assert.is(world.node().phase, "decommissioned");
  assert.equal(world.node().appliedRoles, ["web"]);
});

it("decommission by force of an absent node runs nothing", () => {
  const world = commissioned();
  world.lose("n1");
  const job = world.request("decommission", ["n1"], { force: true });
  world.settle();
  assert.equal(world.takeRuns(), []);
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "decommissioned");
  assert.equal(world.node().appliedRoles, ["base", "web"]);
});

it("decommission by force gives up an absent node that was never configured", () => {
  const world = new JobWorld(["n1"]);
  world.lose("n1");
  const job = world.request("decommission", ["n1"], { force: true });
  world.settle();
  assert.is(world.job(job).status, "succeeded");
  assert.is(world.node().phase, "decommissioned");
});

it("decommission that is cancelled at work is failed, not half done in silence", () => {
  const world = commissioned();
  const job = world.request("decommission", ["n1"]);
  world.settleUntil(() => world.work(job).current !== null);
  world.inventory.ok({ type: "job.cancel", job });
  world.settle(endings({ "web/cleanup": { outcome: "cancelled", exitCode: null } }));
  assert.is(world.job(job).status, "cancelled");
  assert.is(world.node().phase, "failed");
});

it("a decommissioned node can be commissioned again", () => {
  const world = commissioned();
  world.request("decommission", ["n1"]);
  world.settle();
  const job = world.request("commission", ["n1"]);
  world.settle();
  assert.is(world.job(job).status, "succeeded");
});

it.run();
