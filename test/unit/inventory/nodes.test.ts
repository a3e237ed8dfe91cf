import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeVersion } from "../../../src/inventory/node-version.ts";
import {
  cluster,
  commission,
  facts,
  jobCreate,
  nodeFinish,
  peer,
  start,
} from "../../support/inventory.ts";
import { type Command } from "../../../src/inventory/commands.ts";
import { type Reachability } from "../../../src/inventory/records.ts";

const it = suite("inventory nodes");

function seen(name: string, reachability: Reachability, address?: string): Command {
  const change = { id: peer(name), reachability };
  const changes = [address === undefined ? change : { ...change, address }];
  return { type: "node.reachability", changes };
}

it("records a change of reachability with its time, history and event", () => {
  const inventory = cluster("n1", "n2");
  inventory.at += 500;
  const events = inventory.eventsOf(() => inventory.ok(seen("n2", "unreachable")));
  assert.equal(events, ["node.reachability node/n2"]);
  const node = inventory.view.node("n2");
  assert.is(node?.reachability, "unreachable");
  assert.is(node?.reachabilitySince, start + 500);
  const last = inventory.view.history("n2").at(-1);
  assert.equal([last?.kind, last?.from, last?.to], ["reachability", "reachable", "unreachable"]);
});

it("changes nothing when gossip says what is known, or speaks of strangers", () => {
  const inventory = cluster("n1", "n2");
  const before = inventory.machine.hash();
  const events = inventory.eventsOf(() => {
    assert.equal(inventory.ok(seen("n2", "reachable")), { changed: 0 });
    assert.equal(inventory.ok(seen("stranger", "left")), { changed: 0 });
  });
  assert.equal(events, []);
  assert.is(inventory.machine.hash(), before);
});

it("follows an agent to another address, once", () => {
  const inventory = cluster("n1", "n2");
  const moved = () => inventory.ok(seen("n2", "reachable", "10.0.0.77:7700"));
  assert.equal(inventory.eventsOf(moved), ["node.address node/n2"]);
  assert.equal(inventory.eventsOf(moved), []);
  assert.is(inventory.view.node("n2")?.address, "10.0.0.77:7700");
  assert.is(inventory.view.member(peer("n2"))?.address, "10.0.0.77:7700");
});

it("keeps two changes of one node in one entry apart in its history", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(seen("n2", "left", "10.0.0.78:7700"));
  assert.equal(
    inventory.view.history("n2").map(({ kind }) => kind),
    ["discovered", "address", "reachability"],
  );
});

it("refuses more changes of reachability in one entry than the limit", () => {
  const inventory = cluster("n1");
  const change = { id: peer("n1"), reachability: "left" } as const;
  const changes = Array.from({ length: 513 }, () => change);
  inventory.refused({ type: "node.reachability", changes }, "LIMIT");
});

it("writes facts, and says which of them changed", () => {
  const inventory = cluster("n1");
  const report = { type: "node.facts", id: peer("n1"), address: "10.0.0.1:7700" } as const;
  inventory.ok({ ...report, facts });
  const version = inventory.view.node("n1")?.version;
  assert.equal(inventory.ok({ ...report, facts: { ...facts } }), { changed: [] });
  assert.is(inventory.view.node("n1")?.version, version, "equal facts are no change");
  const changed = { ...facts, kernel: "6.2", bootId: "boot-2" };
  const events = inventory.eventsOf(() =>
    assert.equal(inventory.ok({ ...report, facts: changed }), { changed: ["bootId", "kernel"] }),
  );
  assert.equal(events, ["node.facts node/n1", "node.rebooted node/n1"]);
  assert.equal(inventory.view.node("n1")?.facts, changed);
});

it("refuses facts of a stranger, and facts beyond their limit", () => {
  const inventory = cluster("n1");
  const report = { type: "node.facts", facts, address: "10.0.0.1:7700" } as const;
  inventory.refused({ ...report, id: peer("stranger") }, "NOT_FOUND");
  const huge = { ...facts, hostname: "x".repeat(300_000) };
  inventory.refused({ ...report, id: peer("n1"), facts: huge }, "INVALID");
});

it("merges labels and vars, and replaces roles", () => {
  const inventory = cluster("n1");
  const patch = { type: "node.patch", node: "n1" } as const;
  inventory.ok({ ...patch, labels: { rack: "r1", zone: "a" }, roles: ["web", "base", "web"] });
  inventory.ok({ ...patch, labels: { zone: null, gpu: "" }, vars: { a: { b: 1 }, c: 2 } });
  inventory.ok({ ...patch, vars: { a: { d: 3 }, c: null } });
  assert.equal(inventory.view.labels("n1").labels, { rack: "r1", gpu: "" });
  assert.equal(inventory.view.spec("n1").roles, ["base", "web"]);
  assert.equal(inventory.view.spec("n1").vars, { a: { b: 1, d: 3 } });
});

it("never writes values of vars into history or events", () => {
  const inventory = cluster("n1");
  const before = inventory.machine.appliedIndex;
  inventory.ok({ type: "node.patch", node: "n1", vars: { password: "hunter2" } });
  inventory.ok({ type: "var.put", key: "other", value: "hunter2" });
  inventory.ok({ type: "role.put", role: "web", vars: { key: "hunter2" } });
  const told = JSON.stringify([inventory.view.history("n1"), inventory.view.events(before, 100)]);
  assert.not.match(told, /hunter2/);
  assert.match(told, /password/);
});

it("takes a patch that changes nothing without a new version", () => {
  const inventory = cluster("n1");
  inventory.ok({ type: "node.patch", node: "n1", labels: { a: "1" } });
  const version = nodeVersion(inventory.view, "n1");
  const again = inventory.ok({ type: "node.patch", node: "n1", labels: { a: "1" } });
  assert.equal(again, { version });
});

it("compares ifVersion with the newest of a node's three records", () => {
  const inventory = cluster("n1");
  const patch = { type: "node.patch", node: "n1" } as const;
  const before = nodeVersion(inventory.view, "n1");
  inventory.ok({ ...patch, ifVersion: before, labels: { a: "1" } });
  const after = nodeVersion(inventory.view, "n1");
  assert.ok(after > before);
  const refusal = inventory.refused(
    { ...patch, ifVersion: before, labels: { a: "2" } },
    "VERSION_MISMATCH",
  );
  assert.is(refusal.details["current"], after);
  inventory.refused({ ...patch, ifVersion: 0, labels: { a: "2" } }, "ALREADY_EXISTS");
  inventory.refused({ ...patch, node: "none", labels: { a: "2" } }, "NOT_FOUND");
  inventory.refused({ ...patch, node: "none", ifVersion: 7 }, "VERSION_MISMATCH");
});

it("refuses bad labels, roles and vars, and then changes none of them", () => {
  const inventory = cluster("n1");
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "v"]));
  const bad: readonly Omit<Extract<Command, { type: "node.patch" }>, "type" | "node">[] = [
    { labels: { "": "v" } },
    { labels: { "a b": "v" } },
    { labels: { [`${"k".repeat(64)}`]: "v" } },
    { labels: { constructor: "v" } },
    { labels: { ok: "v".repeat(257) } },
    { labels: { ok: "line\nbreak" } },
    { labels: many },
    { labels: { ok: "v" }, roles: ["a/b"] },
    { roles: Array.from({ length: 65 }, (_, i) => `r${i}`) },
    { labels: { ok: "v" }, vars: { "1x": 1 } },
    { vars: { big: "x".repeat(262_145) } },
  ];
  for (const patch of bad) {
    inventory.refused({ type: "node.patch", node: "n1", ...patch }, "INVALID");
  }
});

it("counts labels after the patch, not before it", () => {
  const inventory = cluster("n1");
  const full = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, "v"]));
  inventory.ok({ type: "node.patch", node: "n1", labels: full });
  inventory.refused({ type: "node.patch", node: "n1", labels: { more: "v" } }, "INVALID");
  inventory.ok({ type: "node.patch", node: "n1", labels: { k0: null, more: "v" } });
});

it("calls the configuration unknown when roles change on a commissioned node", () => {
  const inventory = cluster("n1");
  commission(inventory, "j1", "n1");
  inventory.ok({ type: "node.patch", node: "n1", labels: { a: "1" } });
  assert.is(inventory.view.node("n1")?.conditions[0]?.status, "True", "labels do not matter");
  inventory.at += 10;
  inventory.ok({ type: "node.patch", node: "n1", roles: ["web"] });
  const condition = inventory.view.node("n1")?.conditions[0];
  assert.equal(
    [condition?.type, condition?.status, condition?.reason, condition?.since],
    ["Configured", "Unknown", "RolesChanged", start + 10],
  );
});

it("sets no condition when roles change before the node is commissioned", () => {
  const inventory = cluster("n1");
  inventory.ok({ type: "node.patch", node: "n1", roles: ["web"] });
  assert.equal(inventory.view.node("n1")?.conditions, []);
});

it("does not let a job call roles configured that changed while it was at work", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  const begin = { job: "j1", node: "n1", phase: "commissioning", roles: [] } as const;
  inventory.ok({ type: "job.node.begin", ...begin });
  inventory.ok({ type: "node.patch", node: "n1", roles: ["web"] });
  const condition = { type: "Configured", status: "True", reason: "Done", message: "" } as const;
  inventory.ok(nodeFinish("j1", "n1", { phase: "commissioned", condition }));
  const found = inventory.view.node("n1")?.conditions[0];
  assert.equal([found?.status, found?.reason], ["Unknown", "RolesChanged"]);
});

it("marks a node whose agent started its log over, until it is whole again", () => {
  const inventory = cluster("n1");
  const conditions = () => inventory.view.node("n1")?.conditions.map(({ type }) => type);
  inventory.ok({ type: "node.log", id: peer("n1"), damage: "a hole behind entry 51" });
  const [mark] = inventory.view.node("n1")?.conditions ?? [];
  assert.is(`${mark?.type} ${mark?.status} ${mark?.reason}`, "LogSalvaged True Damaged");
  assert.match(mark?.message ?? "", /a hole behind entry 51/);
  inventory.ok({ type: "node.log", id: peer("n1"), damage: null });
  assert.equal(conditions(), []);
  inventory.refused({ type: "node.log", id: peer("n9"), damage: null }, "NOT_FOUND");
  inventory.refused({ type: "node.log", id: peer("n1"), damage: "x".repeat(2000) }, "INVALID");
});

it.run();
