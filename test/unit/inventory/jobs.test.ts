import { suite } from "uvu";
import * as assert from "uvu/assert";
import { blockedBy } from "../../../src/inventory/job-nodes.ts";
import { type CommandOf } from "../../../src/inventory/command-shapes.ts";
import { defaultStrategy } from "../../../src/inventory/records.ts";
import {
  type Inventory,
  cluster,
  commission,
  commit,
  jobCreate,
  nodeFinish,
  start,
} from "../../support/inventory.ts";

const it = suite("inventory jobs");

function status(inventory: Inventory, id: string): string {
  return inventory.view.job(id)?.status ?? "missing";
}

function waitsFor(inventory: Inventory, id: string): readonly string[] {
  const job = inventory.view.job(id);
  return job === null ? ["missing"] : blockedBy(inventory.view, job);
}

function skip(inventory: Inventory, job: string, node: string): void {
  inventory.ok(nodeFinish(job, node, { status: "failed", message: "no" }));
}

it("takes its nodes at once when they are free", () => {
  const inventory = cluster("n1", "n2");
  const create = jobCreate("j1", "commission", ["n1"], { reason: "new rack" });
  const events = inventory.eventsOf(() =>
    assert.equal(inventory.ok(create, { by: "token:ops" }), {
      id: "j1",
      status: "running",
      blockedBy: [],
      version: inventory.machine.appliedIndex,
    }),
  );
  assert.equal(events, ["job.created job/j1", "job.started job/j1"]);
  const job = inventory.view.job("j1");
  assert.is(job?.createdBy, "token:ops");
  assert.is(job?.startedAt, start);
  assert.is(job?.nodes["n1"]?.status, "pending");
  assert.is(inventory.view.node("n1")?.job, "j1");
  assert.is(inventory.view.node("n2")?.job, null);
  assert.equal(
    inventory.view.activeJobs().map(({ id }) => id),
    ["j1"],
  );
});

it("queues behind the jobs that hold its nodes, and says which", () => {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "commission", ["n2"]));
  const create = jobCreate("j3", "commission", ["n1", "n2", "n3"]);
  const answer = inventory.ok(create) as { status: string; blockedBy: readonly string[] };
  assert.equal([answer.status, answer.blockedBy], ["queued", ["j1", "j2"]]);
  assert.is(inventory.view.node("n3")?.job, null, "a queued job holds nothing");
  const refusal = inventory.refused({ type: "job.start", job: "j3" }, "NODE_HELD");
  assert.equal(refusal.details["blockedBy"], ["j1", "j2"]);
});

it("runs jobs on different nodes side by side", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "commission", ["n2"]));
  assert.equal([status(inventory, "j1"), status(inventory, "j2")], ["running", "running"]);
});

it("lets no younger job overtake an older one that wants the same node", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "commission", ["n1", "n2"]));
  inventory.ok(jobCreate("j3", "commission", ["n2"]));
  assert.is(status(inventory, "j3"), "queued", "n2 is free, but j2 came first");
  assert.equal(waitsFor(inventory, "j3"), ["j2"]);
  assert.equal(waitsFor(inventory, "j1"), [], "a running job waits for nothing");
  skip(inventory, "j1", "n1");
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  inventory.refused({ type: "job.start", job: "j3" }, "NODE_HELD");
  assert.equal(waitsFor(inventory, "j2"), []);
  inventory.ok({ type: "job.start", job: "j2" });
  assert.equal(waitsFor(inventory, "j3"), ["j2"]);
  assert.is(inventory.view.node("n1")?.job, "j2");
});

it("refuses a job that could not be carried out", () => {
  const inventory = cluster("n1", "n2");
  const any = jobCreate("j1", "commission", ["n1", "n2"]);
  const bad: readonly Partial<CommandOf<"job.create">>[] = [
    { id: "a/b" },
    { targets: [], waves: [] },
    { targets: ["n1", "n1"] },
    { waves: [["n1"]] },
    { waves: [["n1", "n2"], ["n2"]] },
    { waves: [["n1", "n2", "n3"]] },
    { roles: ["a/b"] },
    { vars: { "bad key": 1 } },
    { vars: { big: "x".repeat(262_145) } },
    { reason: "x".repeat(1025) },
    { strategy: { ...defaultStrategy, batch: 0 } },
    { strategy: { ...defaultStrategy, batch: "0%" } },
    { strategy: { ...defaultStrategy, batch: "101%" } },
    { strategy: { ...defaultStrategy, canary: "many" } },
  ];
  for (const parts of bad) inventory.refused({ ...any, ...parts }, "INVALID");
  const missing = jobCreate("j1", "commission", ["n1", "x", "y"]);
  assert.equal(inventory.refused(missing, "NOT_FOUND").details["nodes"], ["x", "y"]);
  inventory.refused({ ...any, revision: "unknown" }, "NOT_FOUND");
  inventory.ok(any);
  inventory.refused(any, "ALREADY_EXISTS");
});

it("starts a queued job only", () => {
  const inventory = cluster("n1");
  inventory.refused({ type: "job.start", job: "none" }, "NOT_FOUND");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused({ type: "job.start", job: "j1" }, "ILLEGAL_MOVE");
});

it("cancels a waiting job at once", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "verify", ["n1"]));
  assert.equal(inventory.ok({ type: "job.cancel", job: "j2" }), { id: "j2", status: "cancelled" });
  assert.is(inventory.view.job("j2")?.nodes["n1"]?.status, "cancelled");
  assert.is(inventory.view.job("j2")?.endedAt, start);
  assert.is(inventory.view.node("n1")?.job, "j1");
  assert.is(inventory.view.node("n1")?.lastJob, null);
  inventory.refused({ type: "job.cancel", job: "j2" }, "ILLEGAL_MOVE");
});

it("tells a working job to stop, once, also when it is paused", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok({ type: "job.pause", job: "j1" });
  const cancel = () => inventory.ok({ type: "job.cancel", job: "j1" });
  assert.equal(inventory.eventsOf(cancel), ["job.cancelling job/j1"]);
  assert.equal(inventory.eventsOf(cancel), []);
  assert.is(inventory.view.job("j1")?.cancelRequested, true);
  assert.is(status(inventory, "j1"), "running");
  inventory.refused({ type: "job.pause", job: "j1" }, "ILLEGAL_MOVE");
  inventory.refused({ type: "job.resume", job: "j1" }, "ILLEGAL_MOVE");
  inventory.ok({ type: "job.finish", job: "j1", status: "cancelled" });
  assert.is(inventory.view.job("j1")?.nodes["n1"]?.status, "cancelled");
});

it("pauses and resumes, and keeps its nodes meanwhile", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused({ type: "job.resume", job: "j1" }, "ILLEGAL_MOVE");
  inventory.ok({ type: "job.pause", job: "j1" });
  inventory.ok({ type: "job.pause", job: "j1" });
  assert.is(inventory.view.node("n1")?.job, "j1");
  inventory.at += 5;
  inventory.ok({ type: "job.resume", job: "j1" });
  assert.is(status(inventory, "j1"), "running");
  assert.is(inventory.view.job("j1")?.resumedAt, start + 5);
});

it("changes a job conditionally", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  const version = inventory.view.job("j1")?.version ?? 0;
  inventory.ok({ type: "job.pause", job: "j1", ifVersion: version });
  for (const type of ["job.cancel", "job.pause", "job.resume", "job.retry"] as const) {
    const stale = inventory.refused({ type, job: "j1", ifVersion: version }, "VERSION_MISMATCH");
    assert.is(stale.details["current"], version + 1);
  }
});

it("frees all nodes when it ends, and is their last job", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "cleanup", ["n1", "n2"]));
  for (const node of ["n1", "n2"]) {
    inventory.ok({ type: "job.node.begin", job: "j1", node, phase: null, roles: [] });
    inventory.ok(nodeFinish("j1", node));
  }
  inventory.at += 9;
  inventory.ok({ type: "job.finish", job: "j1", status: "succeeded" });
  for (const node of ["n1", "n2"]) {
    assert.is(inventory.view.node(node)?.job, null);
    assert.is(inventory.view.node(node)?.lastJob, "j1");
  }
  assert.is(inventory.view.job("j1")?.endedAt, start + 9);
  assert.equal(inventory.view.activeJobs(), []);
  inventory.refused({ type: "job.finish", job: "j1", status: "failed" }, "ILLEGAL_MOVE");
});

it("does not end while a node works or is in a passing phase", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok({
    type: "job.node.begin",
    job: "j1",
    node: "n1",
    phase: "commissioning",
    roles: [],
  });
  const end = { type: "job.finish", job: "j1", status: "cancelled" } as const;
  const refusal = inventory.refused(end, "ILLEGAL_MOVE");
  assert.equal(refusal.details["nodes"], ["n1"]);
});

it("does not call itself succeeded with a node that did not", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1", "n2"]));
  skip(inventory, "j1", "n1");
  const refusal = inventory.refused(
    { type: "job.finish", job: "j1", status: "succeeded" },
    "ILLEGAL_MOVE",
  );
  assert.equal(refusal.details["nodes"], ["n1", "n2"]);
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  assert.is(inventory.view.job("j1")?.nodes["n2"]?.status, "skipped");
});

it("does not end a queued job except by cancelling it", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "commission", ["n1"]));
  inventory.refused({ type: "job.finish", job: "j2", status: "failed" }, "ILLEGAL_MOVE");
});

it("cancels what it had not begun, even if what it had begun failed", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1", "n2"]));
  skip(inventory, "j1", "n1");
  inventory.ok({ type: "job.cancel", job: "j1" });
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  assert.is(inventory.view.job("j1")?.nodes["n2"]?.status, "cancelled");
});

it("is no longer being cancelled when it is retried", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok({ type: "job.cancel", job: "j1" });
  inventory.ok({ type: "job.finish", job: "j1", status: "cancelled" });
  inventory.ok({ type: "job.retry", job: "j1" });
  const job = inventory.view.job("j1");
  assert.equal([job?.status, job?.cancelRequested], ["running", false]);
});

it("retries what failed, and only that", () => {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok(jobCreate("j1", "cleanup", ["n1", "n2", "n3"]));
  inventory.refused({ type: "job.retry", job: "j1" }, "ILLEGAL_MOVE");
  inventory.ok({ type: "job.node.begin", job: "j1", node: "n1", phase: null, roles: [] });
  inventory.ok(nodeFinish("j1", "n1"));
  skip(inventory, "j1", "n2");
  inventory.ok(nodeFinish("j1", "n3", { status: "cancelled" }));
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  inventory.ok({ type: "job.retry", job: "j1" });
  const job = inventory.view.job("j1");
  const works = ["n1", "n2", "n3"].map((name) => job?.nodes[name]);
  assert.equal(
    works.map((work) => [work?.status, work?.attempt]),
    [
      ["succeeded", 1],
      ["pending", 2],
      ["pending", 2],
    ],
  );
  assert.equal([job?.status, job?.endedAt, job?.cancelRequested], ["running", null, false]);
  assert.is(inventory.view.node("n1")?.job, null, "a node that succeeded is not taken again");
  assert.is(inventory.view.node("n2")?.job, "j1");
});

it("queues a retry whose nodes are held by another job", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  skip(inventory, "j1", "n1");
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  inventory.ok(jobCreate("j2", "cleanup", ["n1"]));
  inventory.ok({ type: "job.retry", job: "j1" });
  assert.is(status(inventory, "j1"), "queued");
  assert.equal(waitsFor(inventory, "j1"), ["j2"]);
});

it("refuses a retry that the phase of a node forbids, naming what is legal", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  skip(inventory, "j1", "n1");
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  commission(inventory, "j2", "n1");
  const refusal = inventory.refused({ type: "job.retry", job: "j1" }, "ILLEGAL_MOVE");
  assert.match(refusal.message, /"n1" is commissioned \(legal: upgrade, decommission/);
});

it("refuses a retry when there is nothing to retry", () => {
  const inventory = cluster("n1", "n2");
  commission(inventory, "j1", "n1");
  inventory.refused({ type: "job.retry", job: "j1" }, "ILLEGAL_MOVE");
  inventory.ok(jobCreate("j2", "commission", ["n2"]));
  skip(inventory, "j2", "n2");
  inventory.ok({ type: "job.finish", job: "j2", status: "failed" });
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  inventory.refused({ type: "job.retry", job: "j2" }, "ILLEGAL_MOVE");
});

it("keeps the newest ended jobs and every active one", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("a-first", "cleanup", ["n2"]));
  for (let i = 0; i < 1003; i += 1) {
    const id = `j${String(i).padStart(5, "0")}`;
    inventory.ok(jobCreate(id, "cleanup", ["n1"], { revision: commit }));
    inventory.ok(nodeFinish(id, "n1", { status: "skipped" }));
    inventory.ok({ type: "job.finish", job: id, status: "failed" });
  }
  assert.is(inventory.view.jobs().length, 1001);
  assert.is(inventory.view.job("j00002"), null);
  assert.ok(inventory.view.job("j00003"));
  assert.is(status(inventory, "a-first"), "running");
});

it.run();
