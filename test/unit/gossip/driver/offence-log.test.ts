import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OffenceLog } from "../../../../src/gossip/driver/offence-log.ts";

const it = suite("gossip/offence-log");

it("names everybody since the line before, not only who came last", () => {
  const log = new OffenceLog({ periodMs: 1000 });
  assert.equal(log.take("a", 0), { peer: "a", count: 1 });
  for (let i = 1; i <= 500; i += 1) assert.is(log.take("flood", i), null);
  assert.is(log.take("a", 900), null);
  assert.equal(log.take("b", 1000), { peer: "b", count: 502, also: ["flood", "a"] });
  assert.equal(log.take("b", 3000), { peer: "b", count: 1 });
});

it("remembers no more names than a line says", () => {
  const log = new OffenceLog({ periodMs: 1000 });
  log.take("first", 0);
  for (let i = 0; i < 100; i += 1) log.take(`p${i}`, 1);
  const said = log.take("last", 1000);
  assert.is(said?.count, 101);
  assert.equal(said?.also, ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]);
});

it.run();
