/** When an agent believes that it was evicted: several words, newer than what it knows itself, and not gainsaid. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EvictionClaims, type OwnView } from "../../../src/agent/eviction-claims.ts";
import { bootstrapLineage } from "../../../src/consensus/lineage/generation.ts";
import { type Generation, type Lineage } from "../../../src/consensus/lineage/types.ts";
import { type Standing } from "../../../src/p2p/standing-wire.ts";
import { peer } from "../../support/inventory.ts";

const it = suite("agent/eviction-claims");
const first = bootstrapLineage("c");
const root = first.generations[0] as Generation;
const second: Generation = {
  ...{ ...root, n: 2, id: "2".repeat(32), parent: root.id, kind: "forced-auto" },
  ...{ forkIndex: 30, forkTerm: 1 },
};
const forked: Lineage = { ...first, generations: [root, second] };
const third: Generation = { ...second, n: 3, id: "3".repeat(32), parent: second.id, forkIndex: 60 };
const patienceMs = 30_000;

function own(others: readonly string[], more: Partial<OwnView> = {}): OwnView {
  const at = { lineage: first, appliedIndex: 50, forsakenMs: 0 };
  return { ...at, others: others.map(peer), ...more };
}

const evicted = (index: number, generation = root): Standing => ({
  standing: "evicted",
  ...{ generation, index },
});
const admitted = (index: number, generation = root): Standing => ({
  standing: "admitted",
  ...{ generation, index },
});

function hearing(words: Readonly<Record<string, Standing>>): EvictionClaims {
  const claims = new EvictionClaims();
  for (const [name, word] of Object.entries(words)) claims.said(peer(name), word, 0);
  return claims;
}

it("believes two members that say so, and one where there is only one other", () => {
  const two = hearing({ n2: evicted(60), n3: evicted(60) });
  assert.is(two.verdict(own(["n2", "n3", "n4"]))?.believed, true);
  const one = hearing({ n2: evicted(60) }).verdict(own(["n2"]));
  assert.is(one?.believed, true);
  assert.is(one?.needed, 1);
});

it("does not believe one liar among several, and waits for another's word", () => {
  const claims = hearing({ n2: evicted(60) });
  const verdict = claims.verdict(own(["n2", "n3"]));
  assert.is(verdict?.believed, false);
  assert.is(verdict?.needed, 2);
  claims.said(peer("n2"), evicted(61), 0);
  assert.is(claims.verdict(own(["n2", "n3"]))?.believed, false, "the same one twice is one");
});

it("does not count whom the own replica does not know as a member", () => {
  const words = { n2: evicted(60), stranger: evicted(60) };
  assert.is(hearing(words).verdict(own(["n2", "n3"]))?.believed, false);
  assert.is(hearing({ stranger: evicted(60) }).verdict(own(["n2"])), null);
});

it("passes over what its own replica covers: whoever says so knows less than it does", () => {
  const stale = hearing({ n2: evicted(50), n3: evicted(49) });
  assert.is(stale.verdict(own(["n2", "n3"])), null);
  const before = hearing({ n2: evicted(30), n3: evicted(30) });
  assert.is(before.verdict(own(["n2", "n3"], { lineage: forked, appliedIndex: 31 })), null);
  const beside = hearing({ n2: evicted(31), n3: evicted(31) });
  const view = { lineage: forked, appliedIndex: 90, forsakenMs: patienceMs };
  const verdict = beside.verdict(own(["n2", "n3"], view));
  assert.is(verdict?.believed, true, "after the fork the other history is not its own");
});

it("lets a later word gainsay, of the same member or of another", () => {
  const claims = hearing({ n2: evicted(60), n3: evicted(60), n4: admitted(60) });
  const view = own(["n2", "n3", "n4"]);
  assert.is(claims.verdict(view)?.believed, false, "a member that has been there knows better");
  claims.said(peer("n4"), admitted(59), 0);
  assert.is(claims.verdict(view)?.believed, true, "who has not heard of it yet does not");
  claims.said(peer("n4"), admitted(1, second), 0);
  assert.is(claims.verdict(view)?.believed, false, "a later generation does");
  claims.said(peer("n2"), admitted(70), 0);
  claims.said(peer("n3"), admitted(70), 0);
  assert.is(claims.verdict(view), null, "nobody says so any more");
});

it("waits while a member of its own generation admits it, whatever a fork of it says", () => {
  const words = { d: evicted(70, second), e: evicted(70, second) };
  const view = own(["b", "c", "d", "e"], { forsakenMs: 10 * patienceMs });
  for (const index of [40, 50, 90]) {
    const denied = hearing({ ...words, b: admitted(index), c: admitted(index) }).verdict(view);
    assert.is(denied?.believed, false, `the quorum of ${index} entries may beat the fork`);
    assert.is(denied?.claims.length, 2, "which is a reason to wait");
  }
  const all = hearing({ ...words, b: evicted(70, second), c: admitted(50) });
  assert.is(all.verdict(view)?.believed, false);
  all.said(peer("c"), evicted(70, second), 0);
  assert.is(all.verdict(view)?.believed, true, "all of them went on without it");
});

it("gives those who may gainsay another generation the time to be heard", () => {
  const claims = hearing({ n2: evicted(70, second), n3: evicted(70, second) });
  const others = ["n2", "n3", "n4"];
  assert.is(claims.verdict(own(others, { forsakenMs: patienceMs - 1 }))?.believed, false);
  assert.is(claims.verdict(own(others, { forsakenMs: patienceMs }))?.believed, true);
  const ofOwn = hearing({ n2: evicted(70), n3: evicted(70) });
  assert.is(ofOwn.verdict(own(others))?.believed, true, "its own needs no patience");
});

it("does not believe a fork while the word of any is missing, unless a majority says so", () => {
  const forsakenMs = 100 * patienceMs;
  const others = ["b", "c", "d", "e"];
  const claims = hearing({ d: evicted(70, second), e: evicted(70, second) });
  const view = own(others, { forsakenMs });
  assert.is(claims.verdict(view)?.believed, false, "b and c may be a quorum with it");
  assert.is(claims.verdict(view)?.needed, 3);
  claims.said(peer("c"), { standing: "unknown" }, 0);
  assert.is(claims.verdict(view)?.believed, false, "b may gainsay it");
  claims.said(peer("b"), admitted(50), 0);
  assert.is(claims.verdict(view)?.believed, false, "it does");
  claims.said(peer("b"), { standing: "unknown" }, 0);
  assert.is(claims.verdict(view)?.believed, true, "all were heard, and none gainsays");
  const majority = hearing({
    ...{ c: evicted(70, second), d: evicted(70, second), e: evicted(70, second) },
  });
  assert.is(majority.verdict(view)?.believed, true, "b and it alone are no quorum");
  const ofOwn = hearing({ d: evicted(70), e: evicted(70), c: evicted(70, second) });
  assert.is(ofOwn.verdict(own([...others, "f", "g"]))?.believed, true, "two of its own suffice");
});

it("is gainsaid by another branch of its history, and not by who is left behind on the way", () => {
  const words = { n2: evicted(120, second), n3: evicted(120, second) };
  const view = own(["n2", "n3", "n4"], { lineage: forked, appliedIndex: 90 });
  const hears = (word: Standing) => hearing({ ...words, n4: word }).verdict(view)?.believed;
  assert.is(hears(admitted(30)), true, "it has been there itself");
  assert.is(hears(admitted(31)), false, "the parent went on, and may have kept a quorum");
  assert.is(hears(admitted(1, third)), false, "nobody knows yet who is right");
});

it("drops words by their age", () => {
  const claims = new EvictionClaims();
  claims.said(peer("n2"), evicted(60), 100);
  claims.said(peer("n3"), evicted(60), 200);
  claims.forgetBefore(200);
  assert.equal(
    claims.verdict(own(["n2", "n3"]))?.claims.map(({ by }) => by),
    [peer("n3")],
  );
  claims.forgetBefore(201);
  assert.is(claims.verdict(own(["n2", "n3"])), null);
});

it("drops what one member said long ago", () => {
  const claims = new EvictionClaims();
  for (const name of ["n2", "n3"]) claims.said(peer(name), evicted(60), 100);
  claims.forget(peer("n2"), 100);
  assert.is(claims.verdict(own(["n2", "n3"]))?.believed, true, "not before its time");
  claims.forget(peer("n2"), 101);
  assert.equal(
    claims.verdict(own(["n2", "n3"]))?.claims.map(({ by }) => by),
    [peer("n3")],
  );
});

it("is not moved by members that do not know it at all", () => {
  const words = { n2: { standing: "unknown" }, n3: { standing: "unknown" } } as const;
  assert.is(hearing(words).verdict(own(["n2", "n3"])), null);
});

it.run();
