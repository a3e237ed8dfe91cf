import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecordList } from "../../../../src/gossip/core/record-list.ts";
import { LoneCore } from "./lone-core.ts";

const it = suite("gossip/record-list");
const lone = new LoneCore();

it("keeps what was set, at any index, in any order", () => {
  const list = new RecordList();
  for (const ix of [700, 3, 64]) list.set(ix, lone.recordOf(ix));
  for (const ix of [700, 3, 64]) assert.is(list.get(ix)?.body.name, `m${ix}`);
  for (const ix of [0, 63, 699, 5000]) assert.is(list.get(ix), undefined);
  list.set(3, undefined);
  assert.is(list.get(3), undefined);
});

it("changes of those who took over a list stay their own", () => {
  const first = new RecordList();
  for (let ix = 0; ix < 130; ix += 1) first.set(ix, lone.recordOf(ix));
  const [second, third] = [new RecordList(), new RecordList()];
  second.adopt(first);
  third.adopt(first);
  second.set(5, lone.recordOf(900));
  second.set(6, undefined);
  assert.is(second.get(5)?.body.name, "m900");
  assert.is(second.get(6), undefined);
  for (const other of [first, third]) {
    assert.is(other.get(5)?.body.name, "m5");
    assert.is(other.get(6)?.body.name, "m6");
  }
  assert.is(second.get(129), third.get(129));
  first.set(7, lone.recordOf(901));
  assert.is(first.get(7)?.body.name, "m901");
  for (const other of [second, third]) assert.is(other.get(7)?.body.name, "m7");
});

it.run();
