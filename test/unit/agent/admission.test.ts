import { suite } from "uvu";
import * as assert from "uvu/assert";
import { InventoryAdmission } from "../../../src/agent/admission.ts";
import { cluster, peer } from "../../support/inventory.ts";

const it = suite("agent: admission");

it("lets in the members of the inventory and nobody else", () => {
  const admission = new InventoryAdmission(cluster("n1", "n2").view);
  assert.ok(admission.isMember(peer("n2")));
  assert.not(admission.isMember(peer("n3")));
  assert.not(admission.isEvicted(peer("n3")));
});

it("lets in whom its join answer named, and whom gossip vouches for, while its replica is behind", () => {
  const admission = new InventoryAdmission(cluster("n1").view);
  admission.introduce([peer("n2")]);
  admission.believe((id) => id === peer("n3"));
  assert.ok(admission.isMember(peer("n2")));
  assert.ok(admission.isMember(peer("n3")));
  assert.not(admission.isMember(peer("n4")));
});

it("never lets in an evicted one, whoever speaks for it", () => {
  const inventory = cluster("n1", "n2");
  const admission = new InventoryAdmission(inventory.view);
  admission.introduce([peer("n2")]);
  admission.believe(() => true);
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  assert.not(admission.isMember(peer("n2")));
  assert.ok(admission.isEvicted(peer("n2")));
});

it.run();
