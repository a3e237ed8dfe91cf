/** The key ring of gossip's datagrams: one step after the other, and no secret in any answer or event. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cluster, Inventory, peer } from "../../support/inventory.ts";
import { mergeInto, split } from "../../support/merge.ts";

const it = suite("inventory/keyring");
const secret = (digit: string): string => digit.repeat(64);

type Step = "create" | "install" | "use" | "remove";
function change(step: Step, key: number, digit: string | null = null) {
  const type = "keyring.change" as const;
  return { type, step, key, secret: digit === null ? null : secret(digit) };
}

it("is made once: who comes second finds it", () => {
  const inventory = new Inventory();
  inventory.ok(change("create", 1, "a"));
  assert.equal(inventory.ok(change("create", 1, "b")), { epoch: 1, sealing: 1, step: null });
  assert.equal(
    inventory.view.keyring()?.keys.map((key) => key.secret),
    [secret("a")],
  );
});

it("goes install, use, remove, and in no other order", () => {
  const inventory = new Inventory();
  inventory.refused(change("use", 1), "CONFLICT");
  inventory.ok(change("create", 1, "a"));
  inventory.refused(change("install", 3, "b"), "CONFLICT");
  inventory.ok(change("install", 2, "b"));
  inventory.refused(change("install", 3, "c"), "CONFLICT");
  inventory.refused(change("remove", 2), "CONFLICT");
  assert.equal([inventory.view.keyring()?.sealing, inventory.view.keyring()?.keys.length], [1, 2]);
  inventory.refused(change("use", 1), "CONFLICT");
  inventory.ok(change("use", 2));
  assert.is(inventory.view.keyring()?.sealing, 2);
  inventory.refused(change("use", 2), "CONFLICT");
  inventory.ok(change("remove", 2));
  const ring = inventory.view.keyring();
  assert.equal(
    ring?.keys.map(({ id, secret: own }) => [id, own]),
    [[2, secret("b")]],
  );
  assert.equal([ring?.epoch, ring?.rotation], [2, null]);
});

it("refuses what is no secret", () => {
  const inventory = new Inventory();
  inventory.refused(change("create", 1), "INVALID");
  inventory.refused({ ...change("create", 1), secret: "short" }, "INVALID");
});

it("shows a secret neither in answers nor in events", () => {
  const inventory = new Inventory();
  const answers = [
    inventory.ok(change("create", 1, "a")),
    inventory.ok(change("install", 2, "b")),
    inventory.refused(change("install", 3, "c"), "CONFLICT"),
    inventory.ok(change("use", 2)),
    inventory.ok(change("remove", 2)),
  ];
  const shown = JSON.stringify([answers, inventory.view.events(0, 100)]);
  for (const digit of ["a", "b", "c"]) assert.not.ok(shown.includes(secret(digit).slice(0, 16)));
  assert.equal(
    inventory.view.events(0, 100).map(({ type }) => type),
    ["keyring.created", "keyring.rotating", "keyring.rotated"],
  );
});

it("comes over in a merge as known to all who were ever evicted, whatever the index was there", async () => {
  const original = cluster("n1", "n2", "n3");
  original.ok(change("create", 1, "a"));
  const both = await split(original);
  both.winner.ok({ type: "node.forget", node: "n3", force: true });
  for (let i = 0; i < 20; i += 1) both.loser.ok({ type: "var.put", key: "later", value: i });
  both.loser.ok(change("install", 2, "b"));
  both.loser.ok(change("use", 2));
  mergeInto(both);
  const { view } = both.winner;
  const ring = view.keyring();
  assert.equal([ring?.epoch, ring?.sealing], [2, 2]);
  const evictedAt = view.member(peer("n3"))?.version ?? 0;
  for (const { id, createdIndex } of ring?.keys ?? []) {
    assert.ok(evictedAt > createdIndex, `key ${id} stays in use`);
  }
});

it.run();
