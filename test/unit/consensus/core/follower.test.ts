/** What a follower may conclude from the commit index of an append: never more than the append proves. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { append, Bench, entriesOf } from "../../../support/core-bench.ts";

const it = suite("consensus: follower");

it("a follower commits no entry that the append has not shown to be the leader's", () => {
  // Entries 3 and 4 of term 1 are left over from a deposed leader; the leader of term 2 committed others there.
  const cases: readonly [sent: number, committed: number][] = [
    [0, 1],
    [1, 2],
    [2, 3],
  ];
  for (const [sent, committed] of cases) {
    const bench = new Bench({ log: [1, 1, 1, 1], hardState: { term: 2, commit: 0 } });
    const entries = entriesOf([1, 2].slice(0, sent), 2);
    bench.step(append("b", "a", { term: 2, prevIndex: 1, prevTerm: 1, entries, commit: 4 }));
    assert.is(bench.status.commit, committed, `${sent} entries behind the first`);
    assert.equal(bench.node.applied.length, committed, "and applies none");
  }
});

it("a refused append commits nothing", () => {
  const bench = new Bench({ log: [1, 1], hardState: { term: 2, commit: 0 } });
  bench.step(append("b", "a", { term: 2, prevIndex: 2, prevTerm: 2, commit: 2 }));
  assert.is(bench.status.commit, 0);
});

it.run();
