/** Followers that need entries which are compacted or no longer in memory; nodes that restart behind a snapshot. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type LoadRequest, type SnapshotMeta } from "../../../../src/consensus/core/types.ts";
import { append, appendResp, Bench, entriesOf } from "../../../support/core-bench.ts";
import { text } from "../../../support/core-network.ts";
import { history } from "../../../support/entries.ts";

const it = suite("consensus: snapshots and loads");
const electionTicks = 20;

function snapshotAt(index: number, term: number, voters = ["a", "b", "c"]): SnapshotMeta {
  const config = { ...simpleConfiguration(voters), index: Math.min(index, 1) };
  return { id: `s${index}`, index, term, config, ...history, sizeBytes: 1, sha256: "00" };
}

/** A leader with 10 entries of which the first 8 are compacted; b has everything, c has nothing. */
function compactedLeader(): Bench {
  const bench = new Bench();
  bench.becomeLeader();
  bench.core.propose(Array.from({ length: 9 }, () => text("x")));
  bench.take();
  bench.step(appendResp("b", "a", { term: 1, index: 10 }));
  bench.core.snapshotTaken(snapshotAt(8, 1));
  bench.core.compacted(9);
  return bench;
}

/** c says that it has nothing at all. */
function refuse(bench: Bench): void {
  const next = bench.status.peers.get("c")?.next ?? 1;
  bench.step(appendResp("c", "a", { term: 1, index: next - 1, ok: false }));
}

it("a follower that needs compacted entries is offered the snapshot", () => {
  const bench = compactedLeader();
  refuse(bench);
  const ready = bench.node.readies.findLast(({ snapshots }) => snapshots.length > 0);
  assert.equal(
    ready?.snapshots.map(({ to, meta }) => [to, meta.index]),
    [["c", 8]],
  );
  const offer = ready?.messages.find(({ type }) => type === "Snapshot");
  assert.ok(offer?.type === "Snapshot" && offer.meta.id === "s8");
  assert.is(bench.status.peers.get("c")?.state, "snapshot");
});

it("nothing is appended meanwhile, and appends go on when the snapshot is acknowledged", () => {
  const bench = compactedLeader();
  refuse(bench);
  bench.core.propose([text("y")]);
  assert.equal(
    bench.take().filter(({ to }) => to === "c"),
    [],
  );
  const out = bench.step(appendResp("c", "a", { term: 1, index: 8 }));
  const next = out.find((message) => message.type === "Append" && message.to === "c");
  assert.ok(next?.type === "Append");
  assert.equal([next.prevIndex, next.entries.length], [8, 3]);
  assert.is(bench.status.peers.get("c")?.state, "replicate");
});

it("a failed snapshot is offered again after the follower's next answer", () => {
  const bench = compactedLeader();
  refuse(bench);
  bench.core.snapshotResult("c", false);
  assert.is(bench.status.peers.get("c")?.state, "probe");
  bench.step({ type: "HeartbeatResp", from: "c", to: "a", term: 1, round: 0 });
  assert.is(bench.status.peers.get("c")?.state, "snapshot");
});

it("a snapshot that arrived is followed by a probe behind it", () => {
  const bench = compactedLeader();
  refuse(bench);
  bench.core.snapshotResult("c", true);
  const out = bench.step({ type: "HeartbeatResp", from: "c", to: "a", term: 1, round: 0 });
  const probe = out.find((message) => message.type === "Append" && message.to === "c");
  assert.ok(probe?.type === "Append");
  assert.is(probe.prevIndex, 8);
});

it("a follower that lost what it had acknowledged, down to before the log here, is offered the snapshot", () => {
  const bench = compactedLeader();
  bench.step(appendResp("c", "a", { term: 1, index: 10 }));
  const lost = { term: 1, ok: false, hintIndex: 5, hintTerm: 1 } as const;
  const out = bench.step(appendResp("c", "a", { ...lost, index: 10 }));
  assert.is(out.length, 1, "first it is asked once more, as the refusal could be an old one");
  const offered = bench.step(appendResp("c", "a", { ...lost, index: 10 }));
  assert.equal(
    offered.map(({ type }) => type),
    ["Snapshot"],
  );
  const c = bench.status.peers.get("c");
  assert.equal([c?.state, c?.match], ["snapshot", 5]);
});

it("a silent follower is not sent a snapshot", () => {
  const bench = compactedLeader();
  for (let i = 0; i < electionTicks; i += 1) {
    bench.step({ type: "HeartbeatResp", from: "b", to: "a", term: 1, round: 0 });
    bench.tick(1);
  }
  bench.core.propose([text("y")]);
  bench.take();
  assert.is(bench.status.peers.get("c")?.state, "probe");
});

it("a received snapshot replaces the log in one write, and is acknowledged when that is durable", () => {
  const bench = new Bench({ log: [1, 1], hardState: { term: 2 } });
  bench.step({ type: "Snapshot", from: "b", to: "a", term: 2, meta: snapshotAt(9, 2) });
  bench.node.holdDisk = true;
  bench.core.snapshotReceived(snapshotAt(9, 2));
  assert.equal(bench.take(), []);
  const op = bench.node.readies.at(-1)?.append;
  assert.is(op?.snapshot?.id, "s9");
  assert.is(op?.hardState?.commit, 9);
  assert.equal(
    op?.after.map((m) => [m.type, m.to]),
    [["AppendResp", "b"]],
  );
  const { first, last, commit } = bench.status;
  assert.equal([first, last, commit], [10, 9, 9]);
});

it("what follows a snapshot is appended and applied behind it", () => {
  const bench = new Bench({ hardState: { term: 2 } });
  bench.core.snapshotReceived(snapshotAt(9, 2));
  bench.take();
  bench.core.applied(9);
  const entries = entriesOf([2, 2], 10);
  bench.step(append("b", "a", { term: 2, prevIndex: 9, prevTerm: 2, entries, commit: 11 }));
  assert.equal(
    bench.node.applied.map(({ index }) => index),
    [10, 11],
  );
});

it("a snapshot brings its configuration", () => {
  const bench = new Bench({ hardState: { term: 2 } });
  bench.core.snapshotReceived(snapshotAt(9, 2, ["a", "x"]));
  assert.equal(bench.status.effective.sets, [["a", "x"]]);
  assert.equal(bench.status.committed.sets, [["a", "x"]]);
});

it("an offer of what is there already is answered with what is there", () => {
  const bench = new Bench({ log: [1, 1, 1], hardState: { term: 2, commit: 1 } });
  const offer = (index: number): ReturnType<Bench["step"]> =>
    bench.step({ type: "Snapshot", from: "b", to: "a", term: 2, meta: snapshotAt(index, 1) });
  const [committed] = offer(1);
  assert.ok(committed?.type === "AppendResp" && committed.index === 1);
  const [matching] = offer(3);
  assert.ok(matching?.type === "AppendResp" && matching.index === 3, "the log has it: no transfer");
  assert.is(bench.status.commit, 3);
});

it("an old snapshot changes nothing", () => {
  const bench = new Bench({ log: [1, 1, 1], hardState: { term: 2, commit: 3 } });
  bench.core.snapshotReceived(snapshotAt(2, 1));
  assert.equal([bench.status.first, bench.status.last], [1, 3]);
});

it("entries that left memory are loaded for the follower that needs them", () => {
  const bench = new Bench({ options: { maxTailBytes: 1 } });
  bench.becomeLeader();
  bench.core.propose(Array.from({ length: 4 }, () => text("x")));
  bench.take();
  bench.step(appendResp("b", "a", { term: 1, index: 5 }));
  refuse(bench);
  const request = lastLoad(bench, "c");
  assert.is(request.from, 1);
  bench.core.loaded(request, entriesOf([1, 1, 1], 1));
  const [sent] = bench.takeOf("Append").filter(({ to }) => to === "c");
  assert.equal(
    sent?.entries.map(({ index }) => index),
    [1, 2, 3],
  );
});

it("a load that came too late is ignored, and one that was compacted becomes a snapshot", () => {
  const bench = new Bench({ options: { maxTailBytes: 1 } });
  bench.becomeLeader();
  bench.core.propose(Array.from({ length: 4 }, () => text("x")));
  bench.take();
  bench.step(appendResp("b", "a", { term: 1, index: 5 }));
  refuse(bench);
  const request = lastLoad(bench, "c");
  bench.core.loaded({ ...request, term: 0 }, entriesOf([1], 1));
  bench.core.loaded({ ...request, to: "stranger" }, entriesOf([1], 1));
  bench.core.loaded({ ...request, from: 3 }, entriesOf([1], 3));
  assert.equal(
    bench.takeOf("Append").filter(({ to }) => to === "c"),
    [],
  );
  bench.core.snapshotTaken(snapshotAt(4, 1));
  bench.core.compacted(5);
  bench.core.loaded(request, null);
  assert.is(bench.status.peers.get("c")?.state, "snapshot");
});

function lastLoad(bench: Bench, to: string): LoadRequest {
  const loads = bench.node.readies.flatMap((ready) => ready.loads);
  const request = loads.findLast((load) => load.to === to);
  assert.ok(request !== undefined, "entries were asked for");
  return request;
}

it("a new leader that compacted its log still knows where followers may agree", () => {
  const bench = compactedLeader();
  const { first, last, commit } = bench.status;
  assert.equal([first, last, commit], [9, 10, 10]);
  bench.core.stepDown("test");
  bench.becomeLeader();
  assert.is(bench.status.role, "leader");
});

it.run();
