/** The rules C1–C5 about when a configuration may change, and what follows from a change. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { encodeConfiguration } from "../../../../src/consensus/core/config-codec.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { EntryType, type ProposeResult } from "../../../../src/consensus/core/types.ts";
import { append, appendResp, Bench, entriesOf } from "../../../support/core-bench.ts";
import { TestNetwork, text } from "../../../support/core-network.ts";

const it = suite("consensus: reconfiguration");

function assertRefused(result: ProposeResult, reason: string, detail: RegExp): void {
  assert.ok(!result.ok);
  assert.is(result.reason, reason);
  assert.match(result.detail, detail);
}

function settled(voters: readonly string[], standbys: readonly string[] = []): TestNetwork {
  const network = new TestNetwork({ voters, standbys });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  return network;
}

it("a follower refuses and names the leader", () => {
  const network = settled(["a", "b", "c"]);
  const result = network.core("b").proposeConfig({ op: "demote", node: "c" });
  assertRefused(result, "not-leader", /follower/);
  assert.is(result.ok ? "" : result.leader, "a");
});

it("C1: one change at a time", () => {
  const network = settled(["a", "b", "c"]);
  assert.is(network.core("a").proposeConfig({ op: "demote", node: "c" }).ok, true);
  const second = network.core("a").proposeConfig({ op: "demote", node: "b" });
  assertRefused(second, "config-rule", /C1: the configuration of entry 2 is not committed/);
  network.settle();
  assert.is(network.core("a").proposeConfig({ op: "promote", node: "c" }).ok, true);
});

it("C2: a new leader first commits an entry of its own term", () => {
  const bench = new Bench({ voters: ["a", "b", "c"] });
  bench.becomeLeader();
  assertRefused(bench.core.proposeConfig({ op: "demote", node: "c" }), "config-rule", /C2/);
  bench.step(appendResp("b", "a", { term: 1, index: 1 }));
  assert.is(bench.core.proposeConfig({ op: "demote", node: "c" }).ok, true);
});

it("C3: two voters change only through a joint configuration, which is left by itself", () => {
  const network = settled(["a", "b", "c"], ["s"]);
  assert.is(network.core("a").proposeConfig({ op: "swap", out: "c", in: "s" }).ok, true);
  assert.equal(network.core("a").status().effective.sets, [
    ["a", "b", "s"],
    ["a", "b", "c"],
  ]);
  network.tick(6);
  for (const id of ["a", "b", "c", "s"]) {
    const { committed } = network.core(id).status();
    assert.equal(committed.sets, [["a", "b", "s"]], id);
    assert.equal(committed.standbys, ["c"]);
  }
});

it("a joint configuration commits only with a majority of both sets", () => {
  const network = settled(["a", "b", "c"], ["s"]);
  network.lets = ({ from, to }) => ![from, to].includes("s") && ![from, to].includes("b");
  assert.is(network.core("a").proposeConfig({ op: "swap", out: "c", in: "s" }).ok, true);
  const { last } = network.core("a").status();
  network.settle();
  assert.ok(network.core("a").status().commit < last, "{a,c} is no majority of {a,b,s}");
  network.heal();
  network.tick(6);
  assert.ok(network.core("a").status().commit >= last);
});

it("C4: a change counts from the moment it is appended, on followers too", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  const data = encodeConfiguration(simpleConfiguration(["a", "b"]));
  const entry = { index: 1, term: 1, type: EntryType.config, data };
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries: [entry] }));
  assert.equal(bench.status.effective.sets, [["a", "b"]]);
  assert.equal(bench.status.committed.sets, [["a", "b", "c"]]);
});

it("C4: truncating its entry brings the configuration before it back", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  const data = encodeConfiguration(simpleConfiguration(["a", "b"]));
  const entry = { index: 1, term: 1, type: EntryType.config, data };
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries: [entry] }));
  const other = entriesOf([2]);
  bench.step(append("c", "a", { term: 2, prevIndex: 0, prevTerm: 0, entries: other }));
  assert.equal(bench.status.effective.sets, [["a", "b", "c"]]);
  assert.is(bench.status.effective.index, 0);
});

it("C5: only a follower that has caught up is promoted", () => {
  const network = settled(["a", "b", "c"]);
  network.lets = ({ from, to }) => ![from, to].includes("s");
  assert.is(network.core("a").proposeConfig({ op: "addStandby", node: "s" }).ok, true);
  network.settle();
  const early = network.core("a").proposeConfig({ op: "promote", node: "s" });
  assertRefused(early, "config-rule", /C5: "s" has not caught up/);
});

it("a change whose quorum is silent is refused: it could not commit", () => {
  const network = settled(["a", "b", "c"]);
  network.isolate("b");
  network.tick(25, "a", "c");
  const result = network.core("a").proposeConfig({ op: "lose", node: "c" });
  assertRefused(result, "quorum-lost", /no quorum of the new configuration/);
  assert.is(network.core("a").proposeConfig({ op: "lose", node: "b" }).ok, true);
});

it("clients cannot smuggle a configuration into an ordinary proposal", () => {
  const network = settled(["a"]);
  const data = encodeConfiguration(simpleConfiguration(["z"]));
  assertRefused(
    network.core("a").propose([data], EntryType.config),
    "config-rule",
    /proposeConfig/,
  );
  const forced = network.core("a").propose([data], EntryType.forceConfig);
  assertRefused(forced, "config-rule", /proposeConfig/);
});

it("an entry that claims to be a configuration and is none is dropped with its message", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  const entry = { index: 1, term: 1, type: EntryType.config, data: text("{}") };
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries: [entry] }));
  assert.is(bench.status.last, 0);
  assert.is(bench.core.dropped().get("malformed"), 1);
});

it("a removed leader commits its removal, hands over and steps down", () => {
  const network = settled(["a", "b", "c"]);
  assert.is(network.core("a").proposeConfig({ op: "remove", node: "a" }).ok, true);
  network.settle();
  assert.is(network.core("a").status().role, "follower");
  assert.equal(network.core("a").status().committed.sets, [["b", "c"]]);
  const leaders = ["b", "c"].filter((id) => network.core(id).status().role === "leader");
  assert.is(leaders.length, 1, "at once, without an election timeout");
});

it("a leader that is no voter any more does not count itself", () => {
  const network = settled(["a", "b", "c"]);
  network.lets = ({ from, to }) => ![from, to].includes("c");
  assert.is(network.core("a").proposeConfig({ op: "remove", node: "a" }).ok, true);
  const { last } = network.core("a").status();
  network.settle();
  assert.ok(network.core("a").status().commit < last, "b alone is no majority of {b,c}");
});

it("only the node that holds an uncommitted removal of itself can win, and it stands", () => {
  const network = settled(["a", "b"]);
  network.lets = ({ type }) => type !== "Append";
  assert.is(network.core("a").proposeConfig({ op: "remove", node: "a" }).ok, true);
  network.settle();
  network.core("a").stepDown("test");
  network.core("b").unreachable("a", "closed");
  network.heal();
  network.tick(120);
  assert.is(network.core("b").status().role, "leader");
  assert.equal(network.core("b").status().committed.sets, [["b"]]);
});

it("a follower that is taken from the configuration is not streamed to any more", () => {
  const network = settled(["a", "b", "c"]);
  assert.is(network.core("a").proposeConfig({ op: "lose", node: "c" }).ok, true);
  network.settle();
  assert.equal([...network.core("a").status().peers.keys()], ["b"]);
});

it.run();
