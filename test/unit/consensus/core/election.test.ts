/** Elections beyond the paper: straw polls, loyalty to a living leader, learners as voters, early failover. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { append, Bench, heartbeat, vote } from "../../../support/core-bench.ts";
import { TestNetwork } from "../../../support/core-network.ts";

const it = suite("consensus: election");
const electionTicks = 20;

it("a node that cannot reach a majority never raises its term", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.isolate("c");
  network.tick(10 * electionTicks);
  assert.is(network.core("c").status().term, 1);
  network.heal();
  network.tick(electionTicks);
  assert.equal(network.core("a").status().role, "leader", "its return disturbs nobody");
  assert.is(network.core("c").status().leader, "a");
});

it("a follower that knows the leader of its term grants nobody a vote of that term", () => {
  const bench = new Bench();
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0 }));
  assert.is(bench.status.vote, null, "it took no part in the election");
  const request = vote("c", "a", { term: 1, lastIndex: 9, lastTerm: 1, transfer: true });
  const [answer] = bench.step(request);
  assert.ok(answer?.type === "VoteResp" && !answer.granted);
  assert.is(bench.status.vote, null);
});

it("a follower that hears its leader votes for nobody else", () => {
  const bench = new Bench();
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0 }));
  bench.tick(electionTicks - 1);
  const request = vote("c", "a", { term: 2, lastIndex: 9, lastTerm: 1 });
  assert.equal(bench.step(request), []);
  assert.is(bench.status.term, 1);
});

it("a leader that hears of a newer term by an answer is back in office at once, with the same voters", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  const { term } = network.core("a").status();
  // A member that comes back from another generation: it votes for nobody, but its term is ahead.
  network.core("a").step({
    ...{ type: "AppendResp", from: "d", to: "a", term: term + 2, ok: false },
    ...{ index: 0, hintIndex: 0, hintTerm: 0 },
  });
  network.settle();
  const status = network.core("a").status();
  assert.is(status.role, "leader");
  assert.is(status.term, term + 3);
  assert.is(network.core("b").status().leader, "a");
});

it("but it deposes no other leader so", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.isolate("a");
  network.tick(3 * electionTicks, "b", "c");
  const elected = network.core("b").status().leader ?? "";
  const { term } = network.core(elected).status();
  network.heal();
  network.tick(electionTicks);
  assert.is(network.core(elected).status().role, "leader");
  assert.is(network.core(elected).status().term, term);
  assert.is(network.core("a").status().leader, elected);
});

it("it does when its leader hands over", () => {
  const bench = new Bench();
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0 }));
  const request = vote("c", "a", { term: 2, lastIndex: 9, lastTerm: 1, transfer: true });
  const [answer] = bench.step(request);
  assert.ok(answer?.type === "VoteResp" && answer.granted);
});

it("it does when the leader's process closed its connection, and stands soon itself", () => {
  const bench = new Bench();
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0 }));
  bench.core.unreachable("b", "timeout");
  assert.is(bench.status.leader, "b", "silence is no proof");
  bench.core.unreachable("b", "closed");
  assert.is(bench.status.leader, null);
  const polls = bench.tick(3).filter(({ type }) => type === "PreVote");
  assert.is(polls.length, 2, "within a few ticks");
  const [answer] = bench.step(vote("c", "a", { term: 2, lastIndex: 9, lastTerm: 1 }));
  assert.ok(answer?.type === "VoteResp" && answer.granted);
});

it("a lost connection to somebody else means nothing to a follower", () => {
  const bench = new Bench();
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0 }));
  bench.core.unreachable("c", "closed");
  assert.is(bench.status.leader, "b");
});

it("one broken connection does not depose a leader that the others hear", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.core("b").unreachable("a", "closed");
  network.tick(2 * electionTicks);
  assert.is(network.core("a").status().role, "leader");
  assert.is(network.core("b").status().leader, "a");
});

it("a standby and a stranger answer vote requests, but do not stand themselves", () => {
  for (const voters of [["b", "c"], ["x"]]) {
    const bench = new Bench({ self: "a", voters, standbys: voters.length > 1 ? ["a"] : [] });
    const [answer] = bench.step(vote("b", "a", { term: 1, lastIndex: 0, lastTerm: 0 }));
    assert.ok(answer?.type === "VoteResp" && answer.granted);
    assert.equal(bench.tick(5 * electionTicks), []);
    bench.core.campaign(true);
    assert.is(bench.status.role, "follower");
  }
});

it("a vote request leaves only after the own vote is durable", () => {
  const bench = new Bench();
  bench.node.holdDisk = true;
  bench.core.campaign(true);
  assert.equal(bench.take(), []);
  const [write] = bench.node.held;
  assert.equal(
    write?.after.map(({ type, to }) => [type, to]),
    [
      ["Vote", "b"],
      ["Vote", "c"],
      ["VoteResp", "a"],
    ],
  );
});

it("a granted vote is in the write that it waits for", () => {
  const bench = new Bench();
  bench.node.holdDisk = true;
  assert.equal(bench.step(vote("b", "a", { term: 1, lastIndex: 0, lastTerm: 0 })), []);
  const op = bench.node.readies.at(-1)?.append;
  assert.equal(op?.hardState, { term: 1, vote: "b", commit: 0 });
  assert.is(op?.mustSync, true);
  assert.equal(
    op?.after.map(({ type }) => type),
    ["VoteResp"],
  );
});

it("a node of a newer term makes an old leader step down", () => {
  const bench = new Bench({ hardState: { term: 5 } });
  const [answer] = bench.step(heartbeat("b", "a", { term: 3 }));
  assert.ok(answer?.type === "AppendResp" && !answer.ok);
  assert.is(answer.term, 5);
});

it("repeated and unasked votes do not count", () => {
  const bench = new Bench({ voters: ["a", "b", "c", "d", "e"] });
  bench.becomeCandidate();
  const yes = { type: "VoteResp", to: "a", term: 1, granted: true, requestTerm: 1 } as const;
  bench.step({ ...yes, from: "b" }, { ...yes, from: "b" }, { ...yes, from: "stranger" });
  assert.is(bench.status.role, "candidate");
  bench.step({ ...yes, from: "c" });
  assert.is(bench.status.role, "leader");
});

it("a leader that hears no quorum for an election timeout steps down", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c"] });
  network.elect("a");
  network.isolate("a");
  network.tick(electionTicks - 1, "a");
  assert.is(network.core("a").status().role, "leader");
  network.tick(1, "a");
  assert.is(network.core("a").status().role, "follower");
  assert.is(network.core("a").status().quorumLost, true);
});

it("stepping down on demand ends leadership at once", () => {
  const bench = new Bench();
  bench.becomeLeader();
  bench.core.stepDown("the disk hangs");
  assert.is(bench.status.role, "follower");
});

it.run();
