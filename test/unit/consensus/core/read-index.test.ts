import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { appendResp, Bench, type MessageOf } from "../../../support/core-bench.ts";
import { releaseDisk, TestNetwork, text } from "../../../support/core-network.ts";

const it = suite("consensus: linearizable reads");
const electionTicks = 20;

function settledLeader(): Bench {
  const bench = new Bench();
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.take();
  return bench;
}

const beatResp = (from: string, round: number, term = 1): MessageOf<"HeartbeatResp"> => ({
  type: "HeartbeatResp",
  from,
  to: "a",
  term,
  round,
});

it("a read is answered when a majority acknowledged a round begun after it", () => {
  const bench = settledLeader();
  bench.core.readIndex(7);
  const [beat] = bench.takeOf("Heartbeat");
  assert.ok(beat !== undefined);
  assert.equal(bench.node.reads, []);
  bench.step(beatResp("b", beat.round));
  assert.equal(bench.node.reads, [{ context: 7, index: 1, ok: true }]);
});

it("acknowledgements of earlier rounds prove nothing", () => {
  const bench = settledLeader();
  bench.core.readIndex(1);
  const [first] = bench.takeOf("Heartbeat");
  bench.core.readIndex(2);
  bench.take();
  bench.step(beatResp("b", first?.round ?? -1));
  assert.equal(
    bench.node.reads.map(({ context }) => context),
    [1],
  );
});

it("all reads of a turn share one round", () => {
  const bench = settledLeader();
  for (let context = 1; context <= 100; context += 1) bench.core.readIndex(context);
  const beats = bench.takeOf("Heartbeat");
  assert.is(beats.length, 2);
  bench.step(beatResp("c", beats[0]?.round ?? -1));
  assert.is(bench.node.reads.length, 100);
});

it("a lost round is made good by the next heartbeat", () => {
  const bench = settledLeader();
  bench.core.readIndex(1);
  bench.take();
  const beat = bench
    .tick(defaultCoreOptions.heartbeatTicks)
    .find(({ type }) => type === "Heartbeat");
  assert.ok(beat?.type === "Heartbeat");
  bench.step(beatResp("b", beat.round));
  assert.is(bench.node.reads.length, 1);
});

it("the answer is the commit index of when the round began", () => {
  const bench = settledLeader();
  bench.core.readIndex(1);
  const [beat] = bench.takeOf("Heartbeat");
  bench.core.propose([text("x")]);
  bench.take();
  bench.step(appendResp("b", "a", { term: 1, index: 2 }));
  bench.step(beatResp("b", beat?.round ?? -1));
  assert.is(bench.node.reads[0]?.index, 1);
});

it("a new leader lets reads wait until an entry of its own term is committed", () => {
  const bench = new Bench({ log: [1, 1], hardState: { term: 1, commit: 1 } });
  bench.becomeLeader();
  bench.core.readIndex(1);
  bench.take();
  bench.step(beatResp("b", 0, 2), beatResp("c", 0, 2));
  assert.equal(bench.node.reads, []);
  const news = bench.step(appendResp("b", "a", { term: 2, index: 3 }));
  const beat = news.find(({ type }) => type === "Heartbeat");
  assert.ok(beat?.type === "Heartbeat", "the round begins with the commit");
  bench.step(beatResp("b", beat.round, 2));
  assert.equal(bench.node.reads, [{ context: 1, index: 3, ok: true }]);
});

it("a single voter answers by itself, once its noop is durable", () => {
  const bench = new Bench({ voters: ["a"] });
  bench.node.holdDisk = true;
  bench.core.campaign();
  bench.take();
  releaseDisk(bench.node);
  bench.take();
  assert.is(bench.status.role, "leader");
  bench.core.readIndex(1);
  bench.take();
  assert.equal(bench.node.reads, [], "the noop is not durable yet");
  releaseDisk(bench.node);
  bench.take();
  assert.equal(bench.node.reads, [{ context: 1, index: 1, ok: true }]);
});

it("a follower asks its leader, and gets the answer of the whole cluster", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"], standbys: ["s"] });
  network.elect("a");
  network.core("a").propose([text("x")]);
  network.tick(defaultCoreOptions.heartbeatTicks);
  for (const id of ["b", "s"]) {
    network.core(id).readIndex(5);
    network.settle();
    assert.equal(network.node(id).reads, [{ context: 5, index: 2, ok: true }], id);
  }
});

it("nobody waits for a leader that is not there", () => {
  const bench = new Bench();
  bench.core.readIndex(1);
  bench.take();
  assert.equal(bench.node.reads, [{ context: 1, index: 0, ok: false }]);
});

it("a deposed leader refuses its waiting reads, its own and those of others", () => {
  const bench = settledLeader();
  bench.core.readIndex(1);
  bench.core.step({ type: "ReadIndex", from: "c", to: "a", term: 1, context: 2 });
  bench.take();
  bench.core.stepDown("test");
  const [answer] = bench.takeOf("ReadIndexResp");
  assert.equal(bench.node.reads, [{ context: 1, index: 0, ok: false }]);
  assert.equal([answer?.to, answer?.context, answer?.ok], ["c", 2, false]);
});

it("a leader cut off from the others answers no read before it steps down", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.tick(defaultCoreOptions.heartbeatTicks);
  network.isolate("a");
  network.core("a").readIndex(9);
  network.tick(3 * electionTicks);
  assert.equal(network.node("a").reads, [{ context: 9, index: 0, ok: false }]);
});

it("a forwarded read whose answer is lost fails after an election timeout", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.lets = ({ type }) => type !== "ReadIndex";
  network.core("b").readIndex(3);
  network.tick(electionTicks);
  assert.equal(network.node("b").reads, [{ context: 3, index: 0, ok: false }]);
});

it("a forwarded read fails when another leader takes over", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.lets = ({ type }) => type !== "ReadIndex";
  network.core("b").readIndex(3);
  network.settle();
  network.core("c").campaign(true);
  network.settle();
  assert.equal(
    network.node("b").reads.map(({ ok }) => ok),
    [false],
  );
});

it("an answer from somebody who does not lead is dropped", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.lets = ({ type }) => type !== "ReadIndex";
  network.core("b").readIndex(3);
  network.settle();
  const forged = { type: "ReadIndexResp", from: "c", to: "b", term: 1, context: 3 } as const;
  network.core("b").step({ ...forged, index: 0, ok: true });
  network.settle();
  assert.equal(network.node("b").reads, []);
});

it("who is asked without leading says so", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  const [answer] = bench.step({ type: "ReadIndex", from: "c", to: "a", term: 1, context: 2 });
  assert.ok(answer?.type === "ReadIndexResp" && !answer.ok);
});

it.run();
