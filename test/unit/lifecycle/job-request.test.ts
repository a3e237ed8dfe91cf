import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type JobRequest, planJobRequest } from "../../../src/lifecycle/job-request.ts";
import { Inventory, peer, setRevision } from "../../support/inventory.ts";
import {
  JobWorld,
  commissioned,
  endings,
  fail,
  manifestOf,
  rev1,
  roleSpec,
} from "../../support/job-world.ts";

const it = suite("lifecycle: job request");

function plan(world: JobWorld, request: JobRequest) {
  return planJobRequest(world.view, request, { id: "job1" });
}

/** `NODE CODE` of every problem. */
function problems(world: JobWorld, request: JobRequest): readonly string[] {
  const planned = plan(world, request);
  return planned.ok ? [] : planned.problems.map(({ node, code }) => `${node ?? "-"} ${code}`);
}

function ready(): JobWorld {
  const world = new JobWorld(["n1", "n2", "n3"]);
  for (const name of ["n1", "n2", "n3"]) world.assign(name, "web");
  return world;
}

it("makes the job with frozen targets, waves and the revision in force", () => {
  const planned = plan(ready(), {
    action: "commission",
    all: true,
    strategy: { batch: 2 },
    vars: { port: 80 },
    reason: "first",
  });
  assert.ok(planned.ok);
  const { targets, waves, revision, roles, vars, strategy, reason } = planned.command;
  assert.equal(targets, ["n1", "n2", "n3"]);
  assert.equal(waves, [["n1", "n2"], ["n3"]]);
  assert.is(revision, rev1);
  assert.is(roles, null);
  assert.equal(vars, { port: 80 });
  assert.is(strategy.onFailure, "continue");
  assert.is(reason, "first");
});

it("shows what will run where, in order", () => {
  const planned = plan(ready(), { action: "commission", nodes: ["n2"] });
  assert.ok(planned.ok);
  assert.equal(planned.plan, [
    {
      node: "n2",
      wave: 0,
      roles: ["base", "web"],
      actions: [
        { role: "base", action: "configure" },
        { role: "base", action: "verify" },
        { role: "web", action: "configure" },
        { role: "web", action: "verify" },
      ],
    },
  ]);
});

it("reports every problem at once, one entry per bad node, under one code for all", () => {
  const world = ready();
  world.assign("n2");
  world.lose("n3");
  const planned = plan(world, {
    action: "commission",
    nodes: ["n1", "n2", "n3", "n9", "n1"],
    strategy: { batch: "x" },
  });
  assert.ok(!planned.ok);
  if (planned.ok) return;
  assert.is(planned.code, "PRECHECK_FAILED");
  const found = planned.problems.map(({ node, code }) => `${node ?? "-"} ${code}`).sort();
  assert.equal(found, [
    "- INVALID_STRATEGY",
    "n1 DUPLICATE_NODE",
    "n2 NO_ROLES",
    "n3 NODE_NOT_REACHABLE",
    "n9 NOT_FOUND",
  ]);
});

it("gives the code that all problems share", () => {
  const planned = plan(ready(), { action: "commission", nodes: ["nx", "ny"] });
  assert.ok(!planned.ok && planned.code === "NOT_FOUND");
  if (!planned.ok) assert.match(planned.problems[0]?.message ?? "", /did you mean "n1"/);
});

const selections: readonly (readonly [string, Partial<JobRequest>, readonly string[]])[] = [
  ["nothing named", {}, ["- INVALID_REQUEST"]],
  ["nodes and all", { nodes: ["n1"], all: true }, ["- INVALID_REQUEST"]],
  ["nodes and selector", { nodes: ["n1"], selector: "name=n1" }, ["- INVALID_REQUEST"]],
  ["no node in a list", { nodes: [] }, ["- NOTHING_SELECTED"]],
  ["an empty selector", { selector: "" }, ["- EMPTY_SELECTOR"]],
  ["a selector that cannot be read", { selector: "a==(" }, ["- INVALID_SELECTOR"]],
  ["a selector that matches nothing", { selector: "rack=r9" }, ["- NOTHING_SELECTED"]],
  ["all: false", { all: false }, ["- INVALID_REQUEST"]],
];
for (const [what, selection, expected] of selections) {
  it(`refuses ${what}`, () => {
    assert.equal(problems(ready(), { action: "commission", ...selection }), expected);
  });
}

it("picks nodes by selector", () => {
  const planned = plan(ready(), { action: "commission", selector: "name!=n2" });
  assert.ok(planned.ok);
  assert.equal(planned.command.targets, ["n1", "n3"]);
});

it("refuses an unknown role, and names those there are", () => {
  const planned = plan(ready(), { action: "commission", nodes: ["n1"], roles: ["wbe"] });
  assert.ok(!planned.ok);
  if (!planned.ok) assert.match(planned.problems[0]?.message ?? "", /base, web/);
});

it("refuses an action that the phase does not allow, and says which it does", () => {
  const planned = plan(ready(), { action: "upgrade", nodes: ["n1"] });
  assert.ok(!planned.ok && planned.code === "ILLEGAL_MOVE");
  if (!planned.ok) assert.match(planned.problems[0]?.message ?? "", /legal: commission/);
});

it("refuses to push without a revision, and says why there is none", () => {
  const inventory = new Inventory();
  inventory.ok({
    type: "cluster.create",
    cluster: { id: "c", name: "c", user: null },
    member: { id: peer("n1"), name: "n1", address: "10.0.0.1:1" },
  });
  const request = { action: "commission", nodes: ["n1"], roles: ["web"] } as const;
  const refusal = () => {
    const planned = planJobRequest(inventory.view, request, { id: "j" });
    assert.ok(!planned.ok && planned.code === "NO_REVISION");
    return planned.ok ? "" : (planned.problems[0]?.message ?? "");
  };
  assert.match(refusal(), /no configuration repository is set/);
  const source = { url: "file:///repo", ref: null };
  inventory.ok({ type: "config.source", source });
  assert.match(refusal(), /has not been fetched yet/);
  const result = { ok: false, code: "REF_NOT_FOUND", message: "no branch main" } as const;
  inventory.ok({ type: "config.fetched", request: 1, source, result });
  assert.match(refusal(), /no branch main/);
});

it("refuses a role that has nothing to configure", () => {
  const world = new JobWorld(["n1"], manifestOf(roleSpec("web", { actions: ["verify"] })));
  world.assign("n1", "web");
  assert.equal(problems(world, { action: "commission", nodes: ["n1"] }), ["n1 ACTION_MISSING"]);
});

it("lets an absent node be decommissioned by force only, and warns of what stays", () => {
  const world = commissioned();
  world.lose("n1");
  assert.equal(problems(world, { action: "decommission", nodes: ["n1"] }), [
    "n1 NODE_NOT_REACHABLE",
  ]);
  const planned = plan(world, { action: "decommission", nodes: ["n1"], force: true });
  assert.ok(planned.ok);
  assert.match(planned.warnings[0] ?? "", /nothing will be cleaned up/);
  assert.equal(planned.plan[0]?.actions, []);
  assert.equal(problems(world, { action: "verify", nodes: ["n1"], force: true }), [
    "n1 NODE_NOT_REACHABLE",
  ]);
});

it("refuses to name roles for a decommission", () => {
  const world = commissioned();
  const request = { action: "decommission", nodes: ["n1"], roles: ["web"] } as const;
  assert.equal(problems(world, request), ["- ROLES_NOT_ALLOWED"]);
});

it("refuses to verify or clean up a role that is not there", () => {
  const world = commissioned();
  for (const action of ["verify", "cleanup"] as const) {
    assert.equal(problems(world, { action, nodes: ["n1"], roles: ["db"] }), [
      "n1 ROLE_NOT_APPLIED",
    ]);
  }
});

it("refuses to clean up a role that another one on the node needs, unless forced", () => {
  const world = commissioned();
  const request = { action: "cleanup", nodes: ["n1"], roles: ["base"] } as const;
  assert.equal(problems(world, request), ["n1 ROLE_REQUIRED"]);
  assert.equal(problems(world, { ...request, force: true }), []);
  assert.equal(problems(world, { ...request, roles: ["base", "web"] }), []);
});

it("refuses to upgrade a role that is neither assigned nor there", () => {
  const world = commissioned();
  const more = manifestOf(roleSpec("base"), roleSpec("web"), roleSpec("db"));
  setRevision(world.inventory, "rev2", more);
  assert.equal(problems(world, { action: "upgrade", nodes: ["n1"], roles: ["db"] }), [
    "n1 ROLE_NOT_ASSIGNED",
  ]);
});

it("refuses to verify where there is nothing to verify", () => {
  const world = commissioned(manifestOf(roleSpec("web", { actions: ["configure"] })));
  assert.equal(problems(world, { action: "verify", nodes: ["n1"] }), ["- NOTHING_TO_VERIFY"]);
  const failed = new JobWorld(["n1"]);
  failed.assign("n1", "base");
  failed.request("commission", ["n1"]);
  failed.settle(endings({ "base/configure": fail(1) }));
  assert.equal(problems(failed, { action: "verify", nodes: ["n1"] }), ["n1 NOTHING_APPLIED"]);
});

it("takes a node that another job holds, with a warning that it queues", () => {
  const world = ready();
  const first = world.request("commission", ["n1"]);
  world.settleUntil(() => world.work(first).current !== null);
  const planned = plan(world, { action: "upgrade", nodes: ["n1"] });
  assert.ok(planned.ok);
  assert.match(planned.warnings[0] ?? "", /waits for job j1/);
});

it("refuses vars and texts that the inventory would refuse", () => {
  const request = { action: "commission", nodes: ["n1"], reason: "x".repeat(5000) } as const;
  assert.equal(problems(ready(), request), ["- INVALID_REQUEST"]);
});

it("a dry run of an upgrade shows what is taken away", () => {
  const world = commissioned();
  setRevision(world.inventory, "rev2", manifestOf(roleSpec("base")));
  world.assign("n1", "base");
  const planned = plan(world, { action: "upgrade", nodes: ["n1"], dryRun: true });
  assert.ok(planned.ok);
  assert.equal(
    planned.plan[0]?.actions.map(({ role, action }) => `${role}/${action}`),
    ["base/configure", "base/verify", "web/cleanup"],
  );
});

it.run();
