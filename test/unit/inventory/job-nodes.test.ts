import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CommandOf } from "../../../src/inventory/command-shapes.ts";
import { type Phase } from "../../../src/inventory/records.ts";
import {
  cluster,
  commission,
  commit,
  finished,
  jobCreate,
  nodeFinish,
  run,
  runFinish,
  start,
} from "../../support/inventory.ts";

const it = suite("inventory job nodes");

function begin(
  job: string,
  node: string,
  phase: Phase | null = "commissioning",
): CommandOf<"job.node.begin"> {
  return { type: "job.node.begin", job, node, phase, roles: ["base", "web"] };
}

it("moves the node to the passing phase and freezes its roles", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"], { reason: "rack 7" }));
  inventory.at += 3;
  const events = inventory.eventsOf(() => inventory.ok(begin("j1", "n1")));
  assert.equal(events, ["node.phase node/n1", "job.node.started job/j1"]);
  const work = inventory.view.job("j1")?.nodes["n1"];
  assert.equal(
    [work?.status, work?.roles, work?.fromPhase, work?.startedAt],
    ["running", ["base", "web"], "discovered", start + 3],
  );
  assert.is(inventory.view.node("n1")?.phase, "commissioning");
  const last = inventory.view.history("n1").at(-1);
  assert.equal(
    [last?.kind, last?.from, last?.to, last?.job, last?.reason],
    ["phase", "discovered", "commissioning", "j1", "commission (rack 7)"],
  );
});

it("begins a node only once, only in a running job that holds it", () => {
  const inventory = cluster("n1", "n2");
  inventory.refused(begin("none", "n1"), "NOT_FOUND");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused(begin("j1", "n2"), "NOT_FOUND");
  inventory.ok(jobCreate("j2", "commission", ["n1"]));
  inventory.refused(begin("j2", "n1"), "ILLEGAL_MOVE");
  inventory.ok({ type: "job.pause", job: "j1" });
  inventory.refused(begin("j1", "n1"), "ILLEGAL_MOVE");
  inventory.ok({ type: "job.resume", job: "j1" });
  inventory.ok(begin("j1", "n1"));
  inventory.refused(begin("j1", "n1"), "ILLEGAL_MOVE");
});

it("begins nothing in a job that is being cancelled", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok({ type: "job.cancel", job: "j1" });
  inventory.refused(begin("j1", "n1"), "ILLEGAL_MOVE");
});

it("refuses to begin from a phase that does not allow it, naming what is legal", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "upgrade", ["n1"]));
  const refusal = inventory.refused(begin("j1", "n1", "upgrading"), "ILLEGAL_MOVE");
  assert.is(
    refusal.message,
    'Cannot upgrade node "n1": it is discovered; legal: commission, cleanup',
  );
  assert.equal(refusal.details["legal"], ["commission", "cleanup"]);
});

it("refuses a passing phase that is not that of the action", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused(begin("j1", "n1", "upgrading"), "ILLEGAL_MOVE");
  inventory.refused(begin("j1", "n1", null), "ILLEGAL_MOVE");
});

it("ends a node's work with its phase, revision, roles and condition in one entry", () => {
  const inventory = cluster("n1");
  commission(inventory, "j1", "n1");
  const node = inventory.view.node("n1");
  assert.is(node?.phase, "commissioned");
  assert.is(node?.revision, commit);
  assert.equal(node?.appliedRoles, ["base", "web"]);
  assert.is(node?.conditions[0]?.status, "True");
});

it("leaves no node in a passing phase", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(begin("j1", "n1"));
  const refusal = inventory.refused(nodeFinish("j1", "n1", { status: "lost" }), "ILLEGAL_MOVE");
  assert.equal(refusal.details["legal"], ["commissioned", "failed"]);
  inventory.refused(nodeFinish("j1", "n1", { phase: "commissioning" }), "ILLEGAL_MOVE");
  inventory.refused(nodeFinish("j1", "n1", { phase: "discovered" }), "ILLEGAL_MOVE");
  inventory.ok(nodeFinish("j1", "n1", { status: "lost", phase: "failed" }));
});

it("ends what never began without moving anything", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused(nodeFinish("j1", "n1", { status: "succeeded" }), "ILLEGAL_MOVE");
  const failed = { status: "failed", phase: "failed" } as const;
  inventory.refused(nodeFinish("j1", "n1", failed), "ILLEGAL_MOVE");
  inventory.ok(nodeFinish("j1", "n1", { status: "failed", message: "not reachable" }));
  assert.is(inventory.view.job("j1")?.nodes["n1"]?.message, "not reachable");
  assert.is(inventory.view.node("n1")?.phase, "discovered");
  inventory.refused(nodeFinish("j1", "n1", { status: "failed" }), "ILLEGAL_MOVE");
});

it("does not clean up a node whose clean-up never began", () => {
  const inventory = cluster("n1");
  commission(inventory, "j1", "n1");
  inventory.ok(jobCreate("j2", "cleanup", ["n1"]));
  const end = { status: "failed", phase: "discovered" } as const;
  inventory.refused(nodeFinish("j2", "n1", end), "ILLEGAL_MOVE");
});

it("does not end a node's work while a run of it has not ended", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(begin("j1", "n1"));
  inventory.ok({ type: "run.begin", job: "j1", node: "n1", run: run("j1", "n1") });
  const end = nodeFinish("j1", "n1", { phase: "commissioned" });
  assert.is(inventory.refused(end, "ILLEGAL_MOVE").details["run"], run("j1", "n1").id);
  inventory.ok(runFinish("j1", "n1", finished(run("j1", "n1"))));
  inventory.ok(end);
});

it("tells no revision from an unchanged one", () => {
  const inventory = cluster("n1");
  commission(inventory, "j1", "n1");
  const cleanup = (job: string, parts: Parameters<typeof nodeFinish>[2]): void => {
    inventory.ok(jobCreate(job, "cleanup", ["n1"]));
    inventory.ok(begin(job, "n1", null));
    inventory.ok(nodeFinish(job, "n1", parts));
    inventory.ok({ type: "job.finish", job, status: "failed" });
  };
  cleanup("j2", { status: "failed", phase: "failed" });
  assert.is(inventory.view.node("n1")?.revision, commit);
  assert.equal(inventory.view.node("n1")?.appliedRoles, ["base", "web"]);
  cleanup("j3", { phase: "discovered", revision: null, appliedRoles: [] });
  assert.is(inventory.view.node("n1")?.revision, null);
  assert.equal(inventory.view.node("n1")?.appliedRoles, []);
  assert.is(inventory.view.node("n1")?.phase, "discovered");
});

it("refuses an unknown revision and roles that are no names", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused({ ...begin("j1", "n1"), roles: ["a/b"] }, "INVALID");
  inventory.ok(begin("j1", "n1"));
  const end = { phase: "commissioned" } as const;
  inventory.refused(nodeFinish("j1", "n1", { ...end, revision: "unknown" }), "NOT_FOUND");
  inventory.refused(nodeFinish("j1", "n1", { ...end, appliedRoles: ["a/b"] }), "INVALID");
});

it("keeps since when a condition holds, until its status changes", () => {
  const inventory = cluster("n1");
  commission(inventory, "j0", "n1");
  const verify = (job: string, status: "Drifted" | "Broken" | "False"): void => {
    inventory.at += 100;
    inventory.ok(jobCreate(job, "verify", ["n1"]));
    inventory.ok(begin(job, "n1", null));
    const condition = { type: "Configured", status, reason: job, message: "" } as const;
    inventory.ok(nodeFinish(job, "n1", { condition }));
    inventory.ok({ type: "job.finish", job, status: "succeeded" });
  };
  const condition = () => inventory.view.node("n1")?.conditions[0];
  verify("j1", "Drifted");
  verify("j2", "Drifted");
  assert.equal([condition()?.reason, condition()?.since], ["j2", start + 100]);
  verify("j3", "Broken");
  assert.is(condition()?.since, start + 300);
  verify("j4", "False");
  assert.is(condition(), undefined, "False takes the condition away");
});

it("cuts messages that are too long instead of losing the result", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(nodeFinish("j1", "n1", { status: "failed", message: "x".repeat(10_000) }));
  assert.is(inventory.view.job("j1")?.nodes["n1"]?.message.length, 4096);
});

it.run();
