/** The largest group of which every two can talk, found in bounded time however the links are. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../../../src/base/random.ts";
import { largestCliques, type Linked } from "../../../../src/consensus/lineage/clique.ts";

const it = suite("lineage: clique");

function named(count: number): readonly string[] {
  return Array.from({ length: count }, (_, n) => `m${String(n).padStart(3, "0")}`);
}

/** Links that are there with a probability, and how often they were looked at. */
function links(ids: readonly string[], share: number, seed: number) {
  const random = seededRandom(seed);
  const there = new Set<string>();
  for (const a of ids) for (const b of ids) if (a < b && random.float() < share) there.add(a + b);
  const seen = { looks: 0 };
  const linked: Linked = (a, b) => {
    seen.looks += 1;
    return there.has(a < b ? a + b : b + a);
  };
  return { linked, seen };
}

function isClique(group: readonly string[], linked: Linked): boolean {
  return group.every((a, at) => group.slice(at + 1).every((b) => linked(a, b)));
}

/** Sorted names of the largest group with `member`, by looking at every subset. */
function slowly(member: string, ids: readonly string[], linked: Linked): readonly string[] {
  let best: readonly string[] = [];
  for (let bits = 0; bits < 2 ** ids.length; bits += 1) {
    const group = ids.filter((_, n) => (bits & (1 << n)) !== 0);
    if (!group.includes(member) || group.length < best.length || !isClique(group, linked)) continue;
    if (group.length > best.length || group.join() < best.join()) best = group;
  }
  return best;
}

it("finds what looking at every subset finds", () => {
  const ids = named(8);
  for (let seed = 1; seed <= 30; seed += 1) {
    const { linked } = links(ids, 0.6, seed);
    const expected = ids.map((id) => slowly(id, ids, linked));
    assert.equal(largestCliques(ids, ids, linked), expected, `seed ${seed}`);
  }
});

it("looks at each link once when all can talk", () => {
  const ids = named(300);
  const { linked, seen } = links(ids, 2, 1);
  assert.equal(largestCliques(ids, ids, linked), [ids]);
  assert.is(seen.looks, (300 * 299) / 2);
});

it("ends after a number of looks that all searches share, with groups all the same", () => {
  const ids = named(150);
  const { linked, seen } = links(ids, 0.95, 1);
  const found = largestCliques(ids, ids, linked);
  assert.ok(seen.looks < 1_000_000, `${seen.looks} looks`);
  assert.is(found.length, ids.length);
  found.forEach((group, at) => assert.ok(group.includes(ids[at] ?? "") && isClique(group, linked)));
  assert.ok(Math.max(...found.map(({ length }) => length)) > 30);
});

it.run();
