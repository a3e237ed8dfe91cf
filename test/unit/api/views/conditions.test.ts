import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toNode } from "../../../../src/api/views/nodes.ts";
import { whyNode } from "../../../../src/api/views/why.ts";
import { admit, cluster, peer } from "../../../support/inventory.ts";

const it = suite("api/views: conditions");

it("says of two machines that want one name which one is to join again, and how, on both of them", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(admit("n2", { id: peer("b") }));
  const messages = ["n2", "n2-2"].map(
    (name) => toNode(inventory.view, name)?.conditions[0]?.message ?? "",
  );
  for (const message of messages) {
    assert.match(message, "muster decommission n2-2");
    assert.match(message, "muster nodes forget n2-2");
    assert.match(message, "empty the data directory");
    assert.match(message, "another --name");
    assert.not.match(message, "rename");
  }
  assert.match(
    messages[0] ?? "",
    'Name "n2" was asked for by another machine, which is "n2-2" now',
  );
  assert.match(messages[1] ?? "", 'Name "n2" belongs to another machine. ');
  const node = inventory.view.node("n2-2");
  assert.ok(node);
  assert.match(whyNode(inventory.view, node).reasons.at(-1)?.message ?? "", "nodes forget n2-2");
});

it("is right: once that machine is forgotten and comes back under another name, nothing is contested", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(admit("n2", { id: peer("b") }));
  inventory.ok({ type: "node.forget", node: "n2-2", force: true });
  inventory.ok(admit("n3", { id: peer("b2") }));
  for (const name of ["n2", "n3"]) assert.equal(toNode(inventory.view, name)?.conditions, [], name);
});

it.run();
