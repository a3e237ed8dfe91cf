import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cluster, start, tokenCreate } from "../../support/inventory.ts";

const it = suite("inventory tokens");

it("keeps a token with who made it, when, and until when it lives", () => {
  const inventory = cluster("n1");
  const made = tokenCreate({ id: "a", uses: 3, ttlMs: 1000, name: "n9" });
  assert.equal(inventory.ok(made, { by: "token:root" }), { id: "a", expiresAt: start + 1000 });
  const { version, ...token } = inventory.view.token("a") ?? { version: 0 };
  assert.is(version, inventory.machine.appliedIndex);
  assert.equal(token, {
    id: "a",
    kind: "join",
    verifier: "ab".repeat(32),
    role: null,
    name: "n9",
    usesLeft: 3,
    createdAt: start,
    createdBy: "token:root",
    expiresAt: start + 1000,
    revokedAt: null,
    usedBy: [],
  });
});

it("never tells the verifier to those who follow events", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "a" }));
  assert.not.match(JSON.stringify(inventory.view.events(0, 1000)), /abab/);
});

it("refuses tokens that would be useless or dangerous", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "a" }));
  inventory.refused(tokenCreate({ id: "a" }), "ALREADY_EXISTS");
  const bad = [
    { id: "a/b" },
    { id: "b", verifier: "secret" },
    { id: "b", uses: 0 },
    { id: "b", ttlMs: 0 },
    { id: "b", ttlMs: 1e15 },
    { id: "b", name: "not a node" },
    { id: "b", kind: "api" },
  ] as const;
  for (const parts of bad) inventory.refused(tokenCreate(parts), "INVALID");
});

it("revokes a token once", () => {
  const inventory = cluster("n1");
  inventory.refused({ type: "token.revoke", id: "a" }, "NOT_FOUND");
  inventory.ok(tokenCreate({ id: "a" }));
  inventory.refused({ type: "token.revoke", id: "a", ifVersion: 1 }, "VERSION_MISMATCH");
  const revoke = () => inventory.ok({ type: "token.revoke", id: "a" });
  assert.equal(inventory.eventsOf(revoke), ["token.revoked token/a"]);
  inventory.at += 1000;
  assert.equal(inventory.eventsOf(revoke), []);
  assert.is(inventory.view.token("a")?.revokedAt, start);
});

it("drops the oldest dead tokens, and never a live one", () => {
  const inventory = cluster("n1");
  inventory.ok(tokenCreate({ id: "alive" }));
  for (let i = 0; i < 1002; i += 1) {
    const id = `dead${String(i).padStart(4, "0")}`;
    inventory.ok(tokenCreate({ id, ttlMs: 1 }));
    inventory.at += 1;
  }
  inventory.ok(tokenCreate({ id: "last" }));
  assert.is(inventory.view.token("dead0000"), null);
  assert.is(inventory.view.token("dead0001"), null);
  assert.ok(inventory.view.token("dead0002"));
  assert.ok(inventory.view.token("alive"));
});

it.run();
