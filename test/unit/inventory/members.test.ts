import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Inventory, admit, cluster, peer, start, tokenCreate } from "../../support/inventory.ts";

const it = suite("inventory members");

const create = {
  type: "cluster.create",
  cluster: { id: "c1", name: "test", user: "ops" },
  member: { id: peer("n1"), name: "n1", address: "10.0.0.1:7700" },
} as const;

it("creates the cluster with the first agent as member and node", () => {
  const inventory = new Inventory();
  assert.equal(inventory.ok(create), { node: "n1", clusterId: "c1" });
  const { view } = inventory;
  assert.equal(view.cluster(), {
    id: "c1",
    name: "test",
    user: "ops",
    createdAt: start,
    version: 1,
  });
  assert.is(view.node("n1")?.phase, "discovered");
  assert.is(view.node("n1")?.reachability, "reachable");
  assert.is(view.nodeById(peer("n1"))?.name, "n1");
  assert.is(view.member(peer("n1"))?.status, "admitted");
  assert.equal(inventory.eventsAfter(0), [
    "cluster.created cluster",
    `member.admitted member/${peer("n1")}`,
    "node.discovered node/n1",
  ]);
});

it("creates a cluster only once", () => {
  const inventory = cluster("n1");
  const refusal = inventory.refused(create, "ALREADY_EXISTS");
  assert.is(refusal.details["id"], "cluster-1");
});

it("refuses names that are no names", () => {
  for (const name of ["", "a/b", "-a", "a b", "ä", "constructor", "x".repeat(129)]) {
    const inventory = new Inventory();
    inventory.refused({ ...create, member: { ...create.member, name } }, "INVALID");
    inventory.refused({ ...create, cluster: { ...create.cluster, name } }, "INVALID");
  }
});

it("admits nobody before there is a cluster", () => {
  new Inventory().refused(admit("n2"), "CONFLICT");
});

it("admits an agent with a join token and makes its node", () => {
  const inventory = cluster("n1");
  assert.equal(inventory.ok(admit("n2", { address: "10.0.0.2:7700" })), {
    node: "n2",
    clusterId: "cluster-1",
  });
  const node = inventory.view.node("n2");
  assert.is(node?.phase, "discovered");
  assert.is(node?.address, "10.0.0.2:7700");
  assert.is(inventory.view.member(peer("n2"))?.token, "t");
  assert.equal(
    inventory.view.history("n2").map(({ kind, to }) => [kind, to]),
    [["discovered", "discovered"]],
  );
});

it("refuses a token that is unknown, for the API, or revoked", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "api", kind: "api", role: "admin" }));
  inventory.ok(tokenCreate({ id: "gone" }));
  inventory.ok({ type: "token.revoke", id: "gone" });
  for (const token of ["nope", "api", "gone"]) {
    inventory.refused(admit("n2", { token }), "TOKEN_INVALID");
  }
});

it("refuses a token from the moment it expires, by the time of the command", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "short", ttlMs: 1000 }));
  inventory.at = start + 1000;
  inventory.refused(admit("n2", { token: "short" }), "TOKEN_EXPIRED");
  inventory.at = start + 999;
  inventory.ok(admit("n2", { token: "short" }));
});

it("counts the uses of a token", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "twice", uses: 2 }));
  inventory.ok(admit("n2", { token: "twice" }));
  inventory.ok(admit("n3", { token: "twice" }));
  assert.is(inventory.view.token("twice")?.usesLeft, 0);
  assert.equal(inventory.view.token("twice")?.usedBy, [peer("n2"), peer("n3")]);
  inventory.refused(admit("n4", { token: "twice" }), "TOKEN_USED");
});

it("lets an agent repeat its join, though its token is used up, expired or revoked", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "once", uses: 1, ttlMs: 1000 }));
  inventory.ok(admit("n2", { token: "once" }));
  inventory.ok({ type: "token.revoke", id: "once" });
  inventory.at += 5000;
  const again = admit("other-name", { id: peer("n2"), token: "once", address: "10.9.9.9:7700" });
  assert.equal(inventory.ok(again), { node: "n2", clusterId: "cluster-1" });
  assert.is(inventory.view.token("once")?.usesLeft, 0);
  assert.is(inventory.view.nodes().length, 2);
  assert.is(inventory.view.node("n2")?.address, "10.9.9.9:7700");
  assert.is(inventory.view.member(peer("n2"))?.address, "10.9.9.9:7700");
});

it("holds an agent to the name its token is bound to", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "bound", name: "db1" }));
  const refusal = inventory.refused(admit("n2", { token: "bound" }), "TOKEN_NAME");
  assert.is(refusal.details["name"], "db1");
  inventory.ok(admit("db1", { token: "bound" }));
  const other = admit("db1", { id: peer("thief"), token: "bound" });
  assert.match(inventory.refused(other, "TOKEN_NAME").message, /another identity holds/);
});

it("gives a second machine with the same name a suffix, and warns on both nodes", () => {
  const inventory = cluster("n1", "n2");
  const join = (id: string) => inventory.ok(admit("n2", { id: peer(id) }));
  assert.equal(join("b"), { node: "n2-2", clusterId: "cluster-1" });
  assert.equal(join("c"), { node: "n2-3", clusterId: "cluster-1" });
  assert.equal(join("b"), { node: "n2-2", clusterId: "cluster-1" }, "a repeated join keeps it");
  for (const name of ["n2", "n2-2", "n2-3"]) {
    const conditions = inventory.view.node(name)?.conditions ?? [];
    assert.equal(
      conditions.map(({ type, status }) => [type, status]),
      [["NameConflict", "True"]],
      name,
    );
  }
  assert.equal(inventory.view.node("n1")?.conditions, []);
});

it("keeps a suffixed name within the limit", () => {
  const long = "x".repeat(128);
  const inventory = cluster("n1");
  inventory.ok(admit(long, { id: peer("a") }));
  const { node } = inventory.ok(admit(long, { id: peer("b") })) as { node: string };
  assert.is(node, `${"x".repeat(126)}-2`);
});

it("takes the warning away when only one of the contenders is left", () => {
  const inventory = cluster("n1", "web-1", "web-2");
  for (const id of ["b", "c"]) inventory.ok(admit("web-1", { id: peer(id) }));
  inventory.ok(admit("web-2", { id: peer("d") }));
  inventory.ok({ type: "node.forget", node: "web-1-3", force: true });
  assert.is(inventory.view.node("web-1")?.conditions.length, 1, "two contend still");
  inventory.ok({ type: "node.forget", node: "web-1", force: true });
  assert.equal(inventory.view.node("web-1-2")?.conditions, []);
  assert.is(inventory.view.node("web-2")?.conditions.length, 1, "another name is not concerned");
});

it.run();
