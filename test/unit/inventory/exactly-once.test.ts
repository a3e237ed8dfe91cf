import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Command } from "../../../src/inventory/commands.ts";
import { type Inventory, cluster, peer } from "../../support/inventory.ts";

const it = suite("inventory exactly-once");

const hour = 3_600_000;

function put(value: number): Command {
  return { type: "var.put", key: "a", value };
}

function from(seq: number, parts: { boot?: string; acked?: number; agent?: string } = {}) {
  const { boot = "0001", acked = 0, agent = "n1" } = parts;
  return { origin: { agent: peer(agent), boot, seq, acked } };
}

function valueOf(inventory: Inventory): unknown {
  return inventory.view.variable("a")?.value;
}

it("answers a repeated request with the result it had, and applies nothing", () => {
  const inventory = cluster("n1");
  const first = inventory.send(put(1), from(1));
  inventory.ok(put(2), from(2));
  const events = inventory.eventsOf(() =>
    assert.equal(inventory.send(put(1), from(1)), first, "index and value are those of the first"),
  );
  assert.equal(events, []);
  assert.is(valueOf(inventory), 2);
});

it("answers a repeated request with its refusal, even when it would be taken now", () => {
  const inventory = cluster("n1");
  const remove: Command = { type: "var.delete", key: "a" };
  const refused = inventory.send(remove, from(1));
  assert.is(refused.ok, false);
  inventory.ok(put(1), from(2));
  assert.equal(inventory.send(remove, from(1)), refused);
  assert.is(valueOf(inventory), 1);
});

it("takes requests of one agent in any order", () => {
  const inventory = cluster("n1");
  inventory.ok(put(3), from(3));
  inventory.ok(put(1), from(1));
  assert.is(valueOf(inventory), 1);
});

it("keeps the windows of agents apart", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(put(1), from(1));
  inventory.ok(put(2), from(1, { agent: "n2" }));
  assert.is(valueOf(inventory), 2);
});

it("refuses what an earlier start of the agent asked for", () => {
  const inventory = cluster("n1");
  inventory.ok(put(1), from(9, { boot: "0001" }));
  inventory.ok(put(2), from(1, { boot: "0002" }));
  inventory.refused(put(3), "CONFLICT", from(9, { boot: "0001" }));
  inventory.refused(put(3), "CONFLICT", from(10, { boot: "0001" }));
  assert.is(valueOf(inventory), 2);
});

it("forgets acknowledged results, and never applies their requests again", () => {
  const inventory = cluster("n1");
  inventory.ok(put(1), from(1));
  inventory.ok(put(2), from(2));
  inventory.ok(put(3), from(3, { acked: 1 }));
  inventory.refused(put(1), "CONFLICT", from(1));
  assert.is(inventory.send(put(2), from(2)).ok, true);
  assert.is(valueOf(inventory), 3);
});

it("does not believe an agent that acknowledges what it is only asking now", () => {
  const inventory = cluster("n1");
  const first = inventory.send(put(1), from(1, { acked: 99 }));
  assert.equal(inventory.send(put(1), from(1, { acked: 99 })), first);
});

it("bounds the window of an agent that acknowledges nothing", () => {
  const inventory = cluster("n1");
  for (let seq = 1; seq <= 16_386; seq += 1) inventory.send(put(1), from(seq));
  inventory.refused(put(2), "CONFLICT", from(2));
  assert.is(inventory.send(put(2), from(3)).ok, true);
  assert.is(valueOf(inventory), 1, "what is in the window is answered, not applied");
});

it("takes nothing from an agent that was evicted, but answers what it asked before", () => {
  const inventory = cluster("n1", "n2");
  const leave: Command = { type: "node.forget", node: "n2", force: true };
  const left = inventory.send(leave, from(1, { agent: "n2" }));
  assert.is(left.ok, true);
  inventory.refused(put(1), "MEMBER_EVICTED", from(2, { agent: "n2" }));
  inventory.refused(put(1), "MEMBER_EVICTED", from(1, { agent: "n2", boot: "0002" }));
  assert.equal(inventory.send(leave, from(1, { agent: "n2" })), left);
});

it("refuses origins that are out of bounds", () => {
  const inventory = cluster("n1");
  inventory.refused(put(1), "INVALID", from(1, { boot: "b".repeat(65) }));
  inventory.refused(put(1), "INVALID", from(1, { agent: "a".repeat(200) }));
});

it("answers a repeated Idempotency-Key, also through another agent", () => {
  const inventory = cluster("n1", "n2");
  const idempotency = { key: "k", digest: "d" };
  const first = inventory.send(put(1), { ...from(1), idempotency });
  inventory.ok(put(2));
  const again = inventory.send(put(1), { ...from(1, { agent: "n2" }), idempotency });
  assert.equal(again, first);
  assert.is(valueOf(inventory), 2);
});

it("answers a request that its key answered by its number, too", () => {
  const inventory = cluster("n1", "n2");
  const idempotency = { key: "k", digest: "d" };
  const first = inventory.send(put(1), { idempotency });
  const second = { ...from(1, { agent: "n2" }), idempotency };
  assert.equal(inventory.send(put(1), second), first);
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  inventory.at += 48 * hour;
  assert.equal(inventory.send(put(1), second), first, "after eviction and after the key is over");
});

it("refuses a key with another request", () => {
  const inventory = cluster("n1");
  inventory.ok(put(1), { idempotency: { key: "k", digest: "d" } });
  inventory.refused(put(2), "IDEMPOTENCY_MISMATCH", { idempotency: { key: "k", digest: "e" } });
});

it("does not bind a key to a refusal: the write may succeed later", () => {
  const inventory = cluster("n1");
  const idempotency = { key: "k", digest: "d" };
  const remove: Command = { type: "var.delete", key: "a" };
  inventory.refused(remove, "NOT_FOUND", { idempotency });
  inventory.ok(put(1));
  inventory.ok(remove, { idempotency });
});

it("remembers a key for 24 hours of commands, and no longer", () => {
  const inventory = cluster("n1");
  const idempotency = { key: "k", digest: "d" };
  inventory.ok(put(1), { idempotency });
  inventory.at += 24 * hour - 1;
  inventory.ok(put(2), { idempotency });
  assert.is(valueOf(inventory), 1);
  inventory.at += 1;
  inventory.ok(put(2), { idempotency });
  assert.is(valueOf(inventory), 2);
});

it("drops keys that are over as new ones come", () => {
  const inventory = cluster("n1");
  for (const key of ["k1", "k2"]) inventory.ok(put(1), { idempotency: { key, digest: "d" } });
  inventory.at += 24 * hour;
  inventory.ok(put(1), { idempotency: { key: "k3", digest: "d" } });
  inventory.at -= 24 * hour;
  inventory.ok(put(5), { idempotency: { key: "k1", digest: "other" } });
});

it("refuses keys that are empty or too long", () => {
  const inventory = cluster("n1");
  for (const key of ["", "k".repeat(256), "line\nbreak"]) {
    inventory.refused(put(1), "INVALID", { idempotency: { key, digest: "d" } });
  }
});

it.run();
