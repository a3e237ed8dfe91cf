/** Bounds on what a client, a follower or a full pipe may cost. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { appendResp, Bench, heartbeat } from "../../../support/core-bench.ts";
import { text } from "../../../support/core-network.ts";
import { type CoreOptions } from "../../../../src/consensus/core/types.ts";

const it = suite("consensus: limits");

function settledLeader(options: Partial<CoreOptions> = {}): Bench {
  const bench = new Bench({ options });
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.take();
  return bench;
}

it("a proposal is refused by whoever does not lead", () => {
  const bench = new Bench();
  bench.step(heartbeat("b", "a", { term: 1 }));
  const result = bench.core.propose([text("x")]);
  assert.ok(!result.ok);
  assert.equal([result.reason, result.leader], ["not-leader", "b"]);
});

it("an entry that is too large is refused whole, with the numbers", () => {
  const bench = settledLeader({ maxEntryBytes: 10 });
  const result = bench.core.propose([text("ok"), text("01234567890")]);
  assert.ok(!result.ok);
  assert.is(result.reason, "too-large");
  assert.match(result.detail, /11 bytes in one entry, limit 10/);
  assert.is(bench.status.last, 1, "nothing of it was appended");
});

it("proposing nothing is refused", () => {
  const result = settledLeader().core.propose([]);
  assert.ok(!result.ok && result.reason === "too-large");
});

it("without a quorum the log grows only to its limit, and goes on when it is back", () => {
  const bench = settledLeader({ maxUncommittedBytes: 100 });
  for (let i = 0; i < 10; i += 1) assert.is(bench.core.propose([text("0123456789")]).ok, true);
  const full = bench.core.propose([text("0")]);
  assert.ok(!full.ok);
  assert.is(full.reason, "busy");
  bench.take();
  bench.acknowledgeAll();
  assert.is(bench.core.propose([text("0")]).ok, true);
});

it("one proposal larger than the limit passes when nothing else waits", () => {
  const bench = settledLeader({ maxUncommittedBytes: 5 });
  assert.is(bench.core.propose([text("0123456789")]).ok, true);
  assert.is(bench.core.propose([text("0")]).ok, false);
});

it("a batch is numbered without a gap", () => {
  const result = settledLeader().core.propose([text("x"), text("y"), text("z")]);
  assert.equal(result, { ok: true, first: 2, last: 4, term: 1 });
});

it("all proposals of a turn travel in one append per follower", () => {
  const bench = settledLeader();
  for (const name of ["x", "y", "z"]) bench.core.propose([text(name)]);
  const sent = bench.takeOf("Append");
  assert.equal(
    sent.map(({ entries }) => entries.length),
    [3, 3],
  );
});

it("an append carries limited bytes, and a follower has limited appends under way", () => {
  const bench = settledLeader({ maxAppendBytes: 100, maxInflightMessages: 3 });
  bench.core.propose(Array.from({ length: 50 }, () => text("0123456789")));
  const toB = bench.takeOf("Append").filter(({ to }) => to === "b");
  assert.is(toB.length, 3);
  assert.ok(toB.every(({ entries }) => entries.length === 2));
  const next = bench.step(appendResp("b", "a", { term: 1, index: 3 }));
  const more = next.filter((message) => message.type === "Append" && message.to === "b");
  assert.is(more.length, 1, "one acknowledged, one more sent");
});

it("a window whose messages were lost is found out by a heartbeat", () => {
  const bench = settledLeader({ maxAppendBytes: 1, maxInflightMessages: 2 });
  bench.core.propose(Array.from({ length: 5 }, () => text("x")));
  bench.take();
  const probe = bench.step({ type: "HeartbeatResp", from: "b", to: "a", term: 1, round: 0 });
  const [empty] = probe.filter((message) => message.type === "Append");
  assert.ok(empty?.type === "Append");
  assert.equal([empty.prevIndex, empty.entries.length], [3, 0]);
  const answer = {
    ...appendResp("b", "a", { term: 1, index: 3, ok: false }),
    hintIndex: 1,
    hintTerm: 1,
  };
  const again = bench.step(answer).filter((message) => message.type === "Append");
  assert.ok(again[0]?.type === "Append");
  assert.is(again[0].prevIndex, 1, "it begins again where the follower is");
});

it("a follower that is far off is probed with one append per heartbeat", () => {
  const bench = new Bench({ log: [1, 1, 1] });
  bench.becomeLeader();
  bench.take();
  const first = bench.step({ type: "HeartbeatResp", from: "b", to: "a", term: 2, round: 0 });
  assert.is(first.filter(({ type }) => type === "Append").length, 1);
  bench.core.propose([text("x")]);
  const none = bench.take().filter(({ type, to }) => type === "Append" && to === "b");
  assert.equal(none, []);
});

it("a disagreement costs one round trip per term, not per entry", () => {
  const bench = new Bench({ log: [...Array<number>(50).fill(1), ...Array<number>(50).fill(4)] });
  bench.becomeLeader();
  bench.take();
  // The follower has 50 of term 1 and 40 of term 2.
  const refusal = {
    ...appendResp("b", "a", { term: 5, index: 100, ok: false }),
    hintIndex: 90,
    hintTerm: 2,
  };
  const [retry] = bench.step(refusal);
  assert.ok(retry?.type === "Append");
  assert.equal([retry.prevIndex, retry.prevTerm], [50, 1]);
});

it.run();
