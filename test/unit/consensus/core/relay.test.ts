/** Committed entries from other members than the leader: taken where they fit, dropped where they do not. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeConfiguration } from "../../../../src/consensus/core/config-codec.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type Entry, EntryType, type Relayed } from "../../../../src/consensus/core/types.ts";
import { append, Bench, entriesOf, heartbeat } from "../../../support/core-bench.ts";
import { history } from "../../../support/entries.ts";

const it = suite("consensus: relayed entries");

function observer(log: readonly number[], commit: number, voters = ["b", "c", "d"]): Bench {
  return new Bench({ voters, log, hardState: { term: log.at(-1) ?? 0, commit } });
}

function batch(prevIndex: number, terms: readonly number[], leader: string | null = "b"): Relayed {
  return { prevIndex, entries: entriesOf(terms, prevIndex + 1), leader, leaderTicks: 100 };
}

function relay(bench: Bench, given: Relayed): boolean {
  const taken = bench.core.relayed(given);
  bench.take();
  bench.core.assertInvariants();
  return taken;
}

function dropped(bench: Bench, reason: string): number {
  return new Map<string, number>(bench.core.dropped()).get(reason) ?? 0;
}

it("are appended, committed and applied, and tell who leads", () => {
  const bench = observer([1, 1], 2);
  assert.ok(relay(bench, batch(2, [1, 3, 3])));
  const { last, commit, applied, term, leader, relayed, quorumLost } = bench.status;
  assert.equal([last, commit, applied, term, leader], [5, 5, 5, 3, "b"]);
  assert.equal([relayed, quorumLost], [true, false]);
});

it("replace an own tail that was never committed, above the commit index only", () => {
  const bench = observer([1, 1, 2, 2, 2], 2);
  assert.ok(relay(bench, batch(2, [1, 3])));
  assert.equal([bench.status.last, bench.status.commit, bench.status.lastTerm], [4, 4, 3]);
});

it("keep what the own log has already", () => {
  const bench = observer([1, 1, 2, 2], 1);
  assert.ok(relay(bench, batch(1, [1, 2])));
  assert.equal([bench.status.last, bench.status.commit], [4, 3], "the tail that fits stays");
});

it("may begin before the commit index, as far as they agree", () => {
  const bench = observer([1, 1, 2], 3);
  assert.ok(relay(bench, batch(1, [1, 2, 2])));
  assert.is(bench.status.commit, 4);
  assert.not(relay(bench, batch(1, [2, 2, 2])), "another history");
  assert.not(relay(bench, batch(4, [1])), "terms fall");
  assert.is(dropped(bench, "not-of-this-log"), 2);
  assert.is(bench.status.commit, 4);
});

it("are not taken behind what is not committed here", () => {
  const bench = observer([1, 1, 2], 2);
  assert.not(relay(bench, batch(3, [2])));
  assert.not(relay(bench, batch(7, [2])));
  assert.is(dropped(bench, "not-of-this-log"), 2);
  assert.is(bench.status.last, 3);
});

it("are not taken while the leader streams, nor by a leader", () => {
  const bench = observer([1, 1], 2);
  bench.step(append("c", "a", { term: 2, prevIndex: 2, prevTerm: 1, commit: 2 }));
  assert.not(relay(bench, batch(2, [2])));
  assert.equal([bench.status.leader, bench.status.relayed], ["c", false]);
  const leader = new Bench({ voters: ["a"], log: [1] });
  leader.becomeLeader();
  assert.not(relay(leader, batch(1, [1])));
  assert.is(dropped(bench, "unexpected") + dropped(leader, "unexpected"), 2);
});

it("give way to the leader itself, whoever hearsay named", () => {
  const bench = observer([3], 1);
  assert.ok(relay(bench, batch(1, [], "d")));
  bench.step(heartbeat("c", "a", { term: 3, commit: 1 }));
  assert.equal([bench.status.leader, bench.status.relayed], ["c", false]);
});

it("name a leader only until hearsay is too old", () => {
  const bench = observer([1], 1);
  assert.ok(relay(bench, { ...batch(1, []), leaderTicks: 3 }));
  for (let i = 0; i < 3; i += 1) bench.core.tick();
  assert.equal([bench.status.leader, bench.status.quorumLost], [null, true]);
});

it("bring a voter without leader forward, and do not keep it from standing", () => {
  const bench = new Bench({ log: [1, 1], hardState: { term: 1, commit: 1 } });
  bench.core.campaign();
  bench.take();
  assert.is(bench.status.role, "precandidate");
  assert.ok(relay(bench, batch(1, [1, 2])));
  assert.equal(
    [bench.status.role, bench.status.commit, bench.status.leader],
    ["follower", 3, null],
  );
  assert.ok(relay(bench, batch(3, [])));
  assert.is(bench.status.leader, null, "hearsay is no reason not to stand");
});

it("tell a voter that was demoted while it was away", () => {
  const bench = new Bench({ log: [1], hardState: { term: 1, commit: 1 } });
  const data = encodeConfiguration(simpleConfiguration(["b", "c"]));
  const config: Entry = { index: 2, term: 2, type: EntryType.config, data };
  assert.ok(relay(bench, { prevIndex: 1, entries: [config], leader: "b", leaderTicks: 100 }));
  assert.equal(bench.status.effective.sets, [["b", "c"]]);
  assert.equal([bench.status.leader, bench.status.relayed], ["b", true]);
});

it("do not make the log restart twice: a snapshot of a later term brings its term", () => {
  const bench = observer([1], 1);
  const config = { ...simpleConfiguration(["b", "c"]), index: 4 };
  bench.core.snapshotReceived({
    ...{ ...history, id: "s", index: 9, term: 7, config, sizeBytes: 1, sha256: "00" },
  });
  bench.take();
  assert.equal([bench.status.term, bench.status.commit, bench.status.last], [7, 9, 9]);
  bench.core.assertInvariants();
});

it("that cannot be right are counted, never thrown, never believed", () => {
  const bench = observer([1, 1, 2], 2);
  const good = entriesOf([2], 3)[0];
  const bad: readonly (readonly unknown[])[] = [
    [{ ...good, index: 4 }],
    [{ ...good, term: -1 }],
    [{ ...good, term: 2 ** 53 }],
    [{ ...good, type: 9 }],
    [{ ...good, data: "text" }],
    [good, { ...good, index: 4, term: 1 }],
    [{ ...good, term: 3, type: EntryType.config, data: new Uint8Array([1, 2]) }],
  ];
  for (const entries of bad) {
    const given = { prevIndex: 2, entries: entries as readonly Entry[], leader: "b" };
    assert.not(relay(bench, { ...given, leaderTicks: 9 }));
  }
  assert.is(dropped(bench, "malformed"), bad.length);
  assert.equal([bench.status.last, bench.status.commit, bench.status.leader], [3, 2, null]);
});

/** Whatever comes in whatever order, from honest and other members: an honest prefix is never lost or contradicted. */
it("never break an invariant nor what was committed", () => {
  const terms = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 });
  const index = fc.integer({ min: 0, max: 12 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant("relay" as const), index, terms }),
    fc.record({ kind: fc.constant("append" as const), index, terms }),
    fc.record({ kind: fc.constant("tick" as const), index, terms }),
  );
  const property = fc.property(terms, fc.array(step, { maxLength: 30 }), (log, steps) => {
    const sorted = log.toSorted((a, b) => a - b);
    const bench = observer(sorted, Math.floor(sorted.length / 2), ["b", "c"]);
    let committed: readonly Entry[] = [];
    const seen = new Map<number, number>();
    for (const { kind, index: prevIndex, terms: given } of steps) {
      const entries = entriesOf(given, prevIndex + 1);
      if (kind === "relay") bench.core.relayed({ prevIndex, entries, leader: "b", leaderTicks: 5 });
      else if (kind === "tick") for (let i = 0; i < 25; i += 1) bench.core.tick();
      else bench.step(append("b", "a", { term: 5, prevIndex, prevTerm: 1, entries, commit: 0 }));
      const before = bench.status.commit;
      bench.take();
      bench.core.assertInvariants();
      assert.ok(bench.status.commit >= before);
      committed = bench.node.applied;
      for (const entry of committed) {
        assert.is(seen.get(entry.index) ?? entry.term, entry.term, "what was applied stays");
        seen.set(entry.index, entry.term);
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

it.run();
