/** The contract with an asynchronous disk: what is promised waits for it, what is applied is on it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createCore } from "../../../../src/consensus/core/raft.ts";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { AssertionError } from "../../../../src/base/assert.ts";
import { append, appendResp, Bench, entriesOf, recoveredLog } from "../../../support/core-bench.ts";
import { releaseDisk, text } from "../../../support/core-network.ts";

const it = suite("consensus: asynchronous storage");

function settledLeader(voters: readonly string[] = ["a", "b", "c"]): Bench {
  const bench = new Bench({ voters });
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.take();
  return bench;
}

it("a single voter commits only what its own disk has", () => {
  const bench = settledLeader(["a"]);
  bench.node.holdDisk = true;
  bench.core.propose([text("x")]);
  bench.take();
  assert.is(bench.status.commit, 1);
  releaseDisk(bench.node);
  bench.take();
  assert.is(bench.status.commit, 2);
});

it("a leader may commit before its own disk has the entry, if a majority of others has", () => {
  const bench = settledLeader();
  bench.node.holdDisk = true;
  bench.core.propose([text("x")]);
  bench.take();
  bench.step(appendResp("b", "a", { term: 1, index: 2 }));
  assert.is(bench.status.commit, 1, "b alone is no majority");
  bench.step(appendResp("c", "a", { term: 1, index: 2 }));
  assert.is(bench.status.commit, 2);
});

it("but it applies the entry only when its disk has it", () => {
  const bench = settledLeader();
  const before = bench.node.applied.length;
  bench.node.holdDisk = true;
  bench.core.propose([text("x")]);
  bench.take();
  bench.step(
    appendResp("b", "a", { term: 1, index: 2 }),
    appendResp("c", "a", { term: 1, index: 2 }),
  );
  assert.is(bench.node.applied.length, before);
  releaseDisk(bench.node);
  bench.take();
  assert.is(bench.node.applied.length, before + 1);
});

it("a follower acknowledges when the write is durable, and not before", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  bench.node.holdDisk = true;
  const message = append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries: entriesOf([1]) });
  assert.equal(bench.step(message), []);
  assert.equal(bench.step(message), [], "a repeated append waits too");
  releaseDisk(bench.node);
  const answers = bench.takeOf("AppendResp");
  assert.equal(
    answers.map(({ ok, index }) => [ok, index]),
    [
      [true, 1],
      [true, 1],
    ],
  );
});

it("an acknowledgement without anything to write leaves at once when nothing is being written", () => {
  const bench = new Bench({ log: [1], hardState: { term: 1 } });
  const before = bench.node.readies.filter(({ append: op }) => op !== null).length;
  const [answer] = bench.step(append("b", "a", { term: 1, prevIndex: 1, prevTerm: 1 }));
  assert.ok(answer?.type === "AppendResp" && answer.ok);
  assert.is(bench.node.readies.filter(({ append: op }) => op !== null).length, before);
});

it("only a moved commit index needs no sync", () => {
  const bench = new Bench({ log: [1], hardState: { term: 1 } });
  bench.step(append("b", "a", { term: 1, prevIndex: 1, prevTerm: 1, commit: 1 }));
  const op = bench.node.readies.findLast((ready) => ready.append !== null)?.append;
  assert.equal(op?.hardState, { term: 1, vote: null, commit: 1 });
  assert.is(op?.mustSync, false);
});

it("a write that completes late does not make replaced entries durable", () => {
  const bench = new Bench({ hardState: { term: 1 } });
  bench.node.holdDisk = true;
  bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries: entriesOf([1, 1]) }));
  bench.step(append("c", "a", { term: 2, prevIndex: 0, prevTerm: 0, entries: entriesOf([2, 2]) }));
  const [first, second] = bench.node.held;
  bench.core.persisted(first?.seq ?? -1);
  assert.is(bench.status.persisted, 0);
  bench.core.persisted(second?.seq ?? -1);
  assert.is(bench.status.persisted, 2);
});

it("one confirmation covers all writes before it", () => {
  const bench = settledLeader();
  bench.node.holdDisk = true;
  for (const name of ["x", "y", "z"]) {
    bench.core.propose([text(name)]);
    bench.take();
  }
  bench.core.persisted(bench.node.held.at(-1)?.seq ?? -1);
  assert.is(bench.status.persisted, 4);
});

it("entries are handed out for applying in batches of limited size, in order, each once", () => {
  const options = { maxApplyBytes: 100 };
  const bench = new Bench({ voters: ["a"], options });
  bench.becomeCandidate();
  bench.take();
  bench.core.propose(Array.from({ length: 20 }, () => text("0123456789")));
  bench.take();
  const batches = bench.node.readies
    .map(({ committed }) => committed)
    .filter(({ length }) => length > 0);
  assert.ok(batches.length > 5);
  assert.equal(
    bench.node.applied.map(({ index }) => index),
    Array.from({ length: 21 }, (_, i) => i + 1),
  );
});

it("it waits for the state machine when that is slow", () => {
  const core = createCore(
    { ...defaultCoreOptions, self: "a", random: () => 0, maxApplyBytes: 100 },
    recoveredLog(["a"], Array<number>(20).fill(1), { term: 1, commit: 20 }),
  );
  const out: number[] = [];
  while (core.hasReady()) out.push(...core.ready().committed.map(({ index }) => index));
  assert.ok(out.length > 0 && out.length < 10, "two batches at most");
  core.applied(out.at(-1) ?? 0);
  assert.is(core.ready().committed[0]?.index, (out.at(-1) ?? 0) + 1);
});

it("committed entries that left memory are asked back from storage", () => {
  const recovered = recoveredLog(["a"], [1, 1, 1, 1], { term: 1, commit: 4 });
  const core = createCore(
    { ...defaultCoreOptions, self: "a", random: () => 0 },
    { ...recovered, tail: recovered.tail.slice(3) },
  );
  const { committed, loads } = core.ready();
  assert.equal(committed, []);
  const [request] = loads;
  assert.ok(request !== undefined);
  assert.equal([request.to, request.from], ["a", 1]);
  assert.is(core.hasReady(), false, "it is asked once");
  core.loaded(request, entriesOf([1, 1]));
  assert.equal(
    core.ready().committed.map(({ index }) => index),
    [1, 2],
  );
  const [next] = core.ready().loads;
  assert.is(next?.from, 3);
});

it("entries that storage should have and has not are a broken invariant", () => {
  const recovered = recoveredLog(["a"], [1, 1], { term: 1, commit: 2 });
  const core = createCore(
    { ...defaultCoreOptions, self: "a", random: () => 0 },
    { ...recovered, tail: [] },
  );
  const [request] = core.ready().loads;
  assert.ok(request !== undefined);
  assert.throws(
    () => core.loaded(request, null),
    (error: unknown) => error instanceof AssertionError,
  );
});

it("what was recovered is not written again", () => {
  const bench = new Bench({ log: [1, 2], hardState: { term: 3, vote: "b", commit: 1 } });
  assert.ok(bench.node.readies.every((ready) => ready.append === null));
});

it("a restart keeps term, vote and log", () => {
  const bench = new Bench({ log: [1, 2], hardState: { term: 3, vote: "b", commit: 1 } });
  const { term, vote, commit, last } = bench.status;
  assert.equal([term, vote, commit, last], [3, "b", 1, 2]);
});

it.run();
