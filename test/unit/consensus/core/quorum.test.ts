import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  hasQuorum,
  majority,
  quorumValue,
  unbounded,
  voteOutcome,
  type VoterSets,
} from "../../../../src/consensus/core/quorum.ts";

const it = suite("consensus: quorum");
const names = ["a", "b", "c", "d", "e", "f", "g"];
const someSet = fc.subarray(names);
const someSets = fc.array(someSet, { minLength: 1, maxLength: 2 });

/** The definition, by counting: more than half of the set says yes. */
function agrees(set: readonly string[], yes: (id: string) => boolean): boolean {
  return set.length === 0 || 2 * set.filter(yes).length > set.length;
}

function oracleValue(sets: VoterSets, values: ReadonlyMap<string, number>): number {
  const candidates = [...values.values(), 0].sort((a, b) => b - a);
  const reached = candidates.find((value) =>
    sets.every((set) => agrees(set, (id) => (values.get(id) ?? 0) >= value)),
  );
  return sets.every((set) => set.length === 0) ? unbounded : (reached ?? 0);
}

/** Tries every way in which the silent voters may still answer. */
function oracleOutcome(sets: VoterSets, votes: ReadonlyMap<string, boolean>): string {
  const silent = [...new Set(sets.flat())].filter((id) => !votes.has(id));
  const wins = Array.from({ length: 2 ** silent.length }, (_, mask) =>
    sets.every((set) =>
      agrees(set, (id) => votes.get(id) ?? ((mask >> silent.indexOf(id)) & 1) === 1),
    ),
  );
  if (wins.every(Boolean)) return "won";
  return wins.some(Boolean) ? "pending" : "lost";
}

it("a majority is more than half", () => {
  assert.equal([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
});

it("the quorum value is what counting by definition gives", () => {
  const values = fc.array(fc.tuple(fc.constantFrom(...names), fc.nat(8)));
  fc.assert(
    fc.property(someSets, values, (sets, pairs) => {
      const map = new Map(pairs);
      assert.is(
        quorumValue(sets, (id) => map.get(id) ?? 0),
        oracleValue(sets, map),
      );
    }),
    { numRuns: 2000 },
  );
});

it("a vote is won, lost or open exactly as all possible answers of the silent say", () => {
  const votes = fc.array(fc.tuple(fc.constantFrom(...names), fc.boolean()));
  fc.assert(
    fc.property(someSets, votes, (sets, pairs) => {
      const map = new Map(pairs);
      assert.is(
        voteOutcome(sets, (id) => map.get(id)),
        oracleOutcome(sets, map),
      );
    }),
    { numRuns: 2000 },
  );
});

it("two quorums of neighbouring configurations always share a voter", () => {
  fc.assert(
    fc.property(someSet, fc.constantFrom(...names), someSet, someSet, (old, node, one, two) => {
      const next = old.includes(node) ? old.filter((id) => id !== node) : [...old, node];
      fc.pre(old.length > 0 && next.length > 0);
      const oldQuorum = hasQuorum([old], (id) => one.includes(id));
      const newQuorum = hasQuorum([next], (id) => two.includes(id));
      if (!oldQuorum || !newQuorum) return;
      assert.ok(one.some((id) => two.includes(id) && (old.includes(id) || next.includes(id))));
    }),
    { numRuns: 2000 },
  );
});

it("a joint quorum is one in both sets", () => {
  const sets = [
    ["a", "b", "c"],
    ["c", "d", "e"],
  ];
  assert.is(
    hasQuorum(sets, (id) => ["a", "b"].includes(id)),
    false,
  );
  assert.is(
    hasQuorum(sets, (id) => ["a", "c"].includes(id)),
    false,
  );
  assert.is(
    hasQuorum(sets, (id) => ["a", "c", "e"].includes(id)),
    true,
  );
});

it.run();
