import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { appendResp, Bench } from "../../../support/core-bench.ts";
import { TestNetwork, text } from "../../../support/core-network.ts";

const it = suite("consensus: leadership transfer");
const electionTicks = 20;

function settled(): TestNetwork {
  const network = new TestNetwork({ voters: ["a", "b", "c"], standbys: ["s"] });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  return network;
}

it("the successor leads at once, in the next term", () => {
  const network = settled();
  network.core("a").transfer("c");
  network.settle();
  assert.is(network.core("c").status().role, "leader");
  assert.is(network.core("c").status().term, 2);
  assert.is(network.core("a").status().leader, "c");
});

it("without a name it goes to a voter that was heard lately", () => {
  const network = settled();
  network.isolate("b");
  network.tick(electionTicks + 1, "a", "c");
  network.core("a").transfer(null);
  network.settle();
  assert.is(network.core("c").status().role, "leader");
});

it("a successor that lacks entries gets them first", () => {
  const bench = new Bench();
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.core.propose([text("x")]);
  bench.take();
  bench.core.transfer("b");
  assert.equal(bench.takeOf("TimeoutNow"), []);
  const out = bench.step(appendResp("b", "a", { term: 1, index: 2 }));
  assert.is(out.filter(({ type, to }) => type === "TimeoutNow" && to === "b").length, 1);
});

it("who hands over does not stand again when its successor answers from the next term", () => {
  const bench = new Bench();
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.core.transfer("b");
  bench.take();
  const { term } = bench.status;
  const out = bench.step(appendResp("b", "a", { term: term + 1, ok: false, index: 0 }));
  assert.is(bench.status.role, "follower");
  assert.is(bench.status.term, term + 1);
  assert.equal(out, []);
});

it("proposals and changes are refused meanwhile", () => {
  const network = settled();
  network.lets = ({ type }) => type !== "TimeoutNow";
  network.core("a").transfer("b");
  network.settle();
  const write = network.core("a").propose([text("x")]);
  assert.ok(!write.ok && write.reason === "transferring");
  const change = network.core("a").proposeConfig({ op: "remove", node: "s" });
  assert.ok(!change.ok && change.reason === "transferring");
  assert.is(network.core("a").status().transferee, "b");
});

it("it is given up after an election timeout", () => {
  const network = settled();
  network.lets = ({ type }) => type !== "TimeoutNow";
  network.core("a").transfer("b");
  network.tick(electionTicks);
  assert.is(network.core("a").status().transferee, null);
  assert.is(network.core("a").propose([text("x")]).ok, true);
});

it("only another voter can succeed", () => {
  const network = settled();
  for (const to of ["a", "s", "stranger"]) {
    network.core("a").transfer(to);
    assert.is(network.core("a").status().transferee, null, to);
  }
});

it("a follower asked to transfer does nothing, and TimeoutNow counts only from its leader", () => {
  const network = settled();
  network.core("b").transfer("c");
  network.core("b").step({ type: "TimeoutNow", from: "c", to: "b", term: 1 });
  network.settle();
  assert.is(network.core("a").status().role, "leader");
  assert.is(network.core("b").dropped().get("unexpected"), 1);
});

it("another successor replaces the first", () => {
  const network = settled();
  network.lets = ({ type, to }) => type !== "TimeoutNow" || to !== "b";
  network.core("a").transfer("b");
  network.core("a").transfer("c");
  network.settle();
  assert.is(network.core("c").status().role, "leader");
});

it.run();
