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

function own(others: readonly string[], more: Partial<OwnView> = {}): OwnView {
  return { lineage: first, appliedIndex: 50, others: others.map(peer), ...more };
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
  for (const [name, word] of Object.entries(words)) claims.said(peer(name), word);
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
  claims.said(peer("n2"), evicted(61));
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
  const verdict = beside.verdict(own(["n2", "n3"], { lineage: forked, appliedIndex: 90 }));
  assert.is(verdict?.believed, true, "after the fork the other history is not its own");
});

it("lets a later word gainsay, of the same member or of another", () => {
  const claims = hearing({ n2: evicted(60), n3: evicted(60), n4: admitted(60) });
  const view = own(["n2", "n3", "n4"]);
  assert.is(claims.verdict(view)?.believed, false, "a member that has been there knows better");
  claims.said(peer("n4"), admitted(59));
  assert.is(claims.verdict(view)?.believed, true, "who has not heard of it yet does not");
  claims.said(peer("n4"), admitted(1, second));
  assert.is(claims.verdict(view)?.believed, false, "a later generation does");
  claims.said(peer("n2"), admitted(70));
  claims.said(peer("n3"), admitted(70));
  assert.is(claims.verdict(view), null, "nobody says so any more");
});

it("is not moved by members that do not know it at all", () => {
  const words = { n2: { standing: "unknown" }, n3: { standing: "unknown" } } as const;
  assert.is(hearing(words).verdict(own(["n2", "n3"])), null);
});

it.run();
