/** Two voters, one falls silent: the leader goes on alone, and the other can never win meanwhile. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { TestNetwork, text, textOf } from "../../../support/core-network.ts";

const it = suite("consensus: solo eviction");
const electionTicks = 20;
const evictTicks = 60;

function pair(): TestNetwork {
  const network = new TestNetwork({ voters: ["a", "b"] });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  return network;
}

it("the leader stays, says that it lost its quorum, and evicts after the time", () => {
  const network = pair();
  network.isolate("b");
  network.tick(electionTicks, "a");
  assert.is(network.core("a").status().role, "leader");
  assert.is(network.core("a").status().quorumLost, true);
  network.tick(evictTicks - electionTicks - 1, "a");
  assert.equal(network.core("a").status().effective.sets, [["a", "b"]]);
  network.tick(1, "a");
  const { effective, committed, quorumLost } = network.core("a").status();
  assert.equal(effective.sets, [["a"]]);
  assert.equal(effective.lost, ["b"], "remembered, not forgotten");
  assert.is(committed, effective);
  assert.is(quorumLost, false);
});

it("the leader has its quorum again with what the eviction commits, not after it", () => {
  const network = pair();
  network.isolate("b");
  const core = network.core("a");
  assert.is(core.propose([Buffer.from("waits")]).ok, true);
  network.tick(evictTicks - 1, "a");
  assert.is(core.status().quorumLost, true);
  core.tick();
  const { committed, soft } = core.ready();
  assert.equal(committed.map(textOf), ["waits"], "its disk has it, and that is a quorum now");
  assert.is(soft?.quorumLost, false);
});

it("the leader waits, and stays, while the partner may not be evicted yet", () => {
  let off = false;
  const options = { mayEvict: (partner: string) => off && partner === "b" };
  const network = new TestNetwork({ voters: ["a", "b"], options });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  network.isolate("b");
  network.tick(evictTicks * 2, "a");
  assert.is(network.core("a").status().role, "leader");
  assert.equal(network.core("a").status().effective.sets, [["a", "b"]]);
  off = true;
  network.tick(1, "a");
  assert.equal(network.core("a").status().effective.sets, [["a"]]);
});

it("a change of standbys that the partner did not confirm does not keep the leader from going on", () => {
  const network = new TestNetwork({ voters: ["a", "b"], standbys: ["c"] });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  network.isolate("b", "c");
  const { committed } = network.core("a").status();
  assert.is(network.core("a").proposeConfig({ op: "lose", node: "c" }).ok, true);
  network.settle();
  assert.equal(network.core("a").status().committed, committed, "nobody confirmed it");
  const other = network.core("a").proposeConfig({ op: "remove", node: "c" });
  assert.match(other.ok ? "" : other.detail, /^C1/, "nothing else may follow");
  network.tick(evictTicks, "a");
  const status = network.core("a").status();
  assert.equal(status.effective.sets, [["a"]]);
  assert.equal(status.effective.lost, ["b", "c"]);
  assert.is(status.committed, status.effective);
});

it("but a change of the voters does", () => {
  const network = new TestNetwork({ voters: ["a"], standbys: ["b"] });
  network.elect("a");
  network.tick(2 * electionTicks);
  network.isolate("b");
  assert.is(network.core("a").proposeConfig({ op: "promote", node: "b" }).ok, true);
  network.tick(2 * evictTicks, "a");
  const { effective, commit, role } = network.core("a").status();
  assert.equal(effective.sets, [["a", "b"]]);
  assert.ok(effective.index > commit);
  assert.is.not(role, "leader", "there is no exemption from check-quorum either");
});

it("proposals wait for the eviction and are committed by it", () => {
  const network = pair();
  network.isolate("b");
  network.tick(electionTicks, "a");
  assert.is(network.core("a").propose([text("x")]).ok, true);
  network.settle();
  assert.is(
    network.node("a").applied.some((entry) => textOf(entry) === "x"),
    false,
  );
  network.tick(evictTicks, "a");
  assert.is(
    network.node("a").applied.some((entry) => textOf(entry) === "x"),
    true,
  );
});

it("reads are answered only when the eviction made it the only voter", () => {
  const network = pair();
  network.isolate("b");
  network.tick(electionTicks, "a");
  network.core("a").readIndex(1);
  network.settle();
  assert.equal(network.node("a").reads, []);
  network.tick(evictTicks, "a");
  assert.equal(
    network.node("a").reads.map(({ ok }) => ok),
    [true],
  );
});

it("eviction waits for the leader's own disk", () => {
  const network = pair();
  network.isolate("b");
  network.node("a").holdDisk = true;
  network.tick(evictTicks + 5, "a");
  const { effective, committed } = network.core("a").status();
  assert.equal(effective.sets, [["a"]]);
  assert.equal(committed.sets, [["a", "b"]]);
});

it("the evicted one cannot win, and returns as a standby and voter", () => {
  const network = pair();
  network.isolate("b");
  network.tick(evictTicks + 5);
  assert.is(network.core("b").status().term, 1, "its straw polls find nobody");
  network.heal();
  network.tick(3 * electionTicks);
  assert.is(network.core("a").status().role, "leader");
  assert.is(network.core("b").status().role === "leader", false);
  assert.is(network.core("a").proposeConfig({ op: "addStandby", node: "b" }).ok, true);
  network.tick(6);
  assert.is(network.core("a").proposeConfig({ op: "promote", node: "b" }).ok, true);
  network.tick(6);
  assert.equal(network.core("b").status().effective.sets, [["a", "b"]]);
  assert.is(network.core("b").status().commit, network.core("a").status().commit);
});

it("a follower whose leader is gone is not exempt: it needs the other's vote", () => {
  const network = pair();
  network.isolate("a");
  network.tick(5 * evictTicks, "b");
  assert.is(network.core("b").status().role, "precandidate");
});

it("switched off, the leader of two steps down like any other", () => {
  const network = new TestNetwork({ voters: ["a", "b"], options: { evictTicks: 0 } });
  network.elect("a");
  network.isolate("b");
  network.tick(electionTicks, "a");
  assert.is(network.core("a").status().role, "follower");
});

it("three voters are never evicted down to one", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.isolate("a");
  network.tick(2 * evictTicks, "a");
  assert.equal(network.core("a").status().effective.sets, [["a", "b", "c"]]);
});

it.run();
