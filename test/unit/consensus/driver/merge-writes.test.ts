import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../../src/base/assert.ts";
import { type AppendOp, type Entry } from "../../../../src/consensus/core/types.ts";
import { mergeableCount, mergeWrites } from "../../../../src/consensus/driver/merge-writes.ts";
import { command, commands, shown, snapshotMeta, write } from "../../../support/entries.ts";
import { MemoryDisk } from "../../../support/memory-log.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";

const it = suite("merged writes");

function op(parts: Partial<AppendOp>): AppendOp {
  return { ...write(parts), after: [] };
}

function merged(...ops: readonly AppendOp[]): ReturnType<typeof mergeWrites> {
  const [first, ...rest] = ops;
  return mergeWrites([must(first, "there is an operation"), ...rest]);
}

function contents(disk: MemoryDisk): unknown {
  const { hardState, first, entries, snapshot } = disk;
  return { hardState, first, entries: shown(entries), snapshot: snapshot?.id };
}

/** Operations that fit a log that ends at `last`, as a core would give them out. */
const operations = fc
  .array(
    fc.record({
      cut: fc.nat(4),
      add: fc.nat(4),
      hard: fc.boolean(),
      snapshot: fc.nat(9).map((chance) => chance === 0),
      sync: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    let last = 10;
    let floor = 0;
    return steps.map(({ cut, add, hard, snapshot, sync }, i): AppendOp => {
      const term = i + 2;
      const meta = snapshot ? snapshotMeta(last + 5, term, simpleConfiguration(["a"])) : null;
      if (meta !== null) floor = last = meta.index;
      const keep = Math.max(floor, last - cut);
      const truncateFrom = meta === null && keep < last ? keep + 1 : null;
      if (truncateFrom !== null) last = keep;
      const entries: Entry[] = commands(last + 1, last + add, term);
      last += add;
      const hardState = hard ? { term, vote: null, commit: i } : null;
      return op({ truncateFrom, entries, hardState, snapshot: meta, mustSync: sync });
    });
  });

it("leave the log as one after another would", () => {
  fc.assert(
    fc.property(operations, (ops) => {
      const one = new MemoryDisk();
      const two = new MemoryDisk();
      for (const disk of [one, two]) disk.write(write({ entries: commands(1, 10, 1) }));
      for (const single of ops) one.write(single);
      let rest = ops;
      while (rest.length > 0) {
        const count = mergeableCount(rest);
        const [first, ...more] = rest.slice(0, count);
        two.write(mergeWrites([must(first, "at least one is taken"), ...more]));
        rest = rest.slice(count);
      }
      assert.equal(contents(two), contents(one));
    }),
    { numRuns: 500 },
  );
});

it("never hold an entry that a later one cuts off", () => {
  const result = merged(
    op({ entries: commands(5, 9, 1) }),
    op({ truncateFrom: 7, entries: [command(7, 2)] }),
  );
  assert.equal(shown(result.entries), shown([...commands(5, 6, 1), command(7, 2)]));
  assert.is(result.truncateFrom, null);
});

it("cut what is on disk when a later one cuts below all of them", () => {
  const result = merged(
    op({ truncateFrom: 5, entries: commands(5, 9, 1) }),
    op({ truncateFrom: 3, entries: commands(3, 3, 2) }),
  );
  assert.is(result.truncateFrom, 3);
  assert.equal(shown(result.entries), shown(commands(3, 3, 2)));
});

it("are durable together when one of them must be", () => {
  assert.is(merged(op({ mustSync: false }), op({ mustSync: true })).mustSync, true);
  assert.is(merged(op({ mustSync: true }), op({ mustSync: false })).mustSync, true);
  assert.is(merged(op({ mustSync: false }), op({ mustSync: false })).mustSync, false);
});

it("begin anew with a snapshot, and stay of sensible size", () => {
  const meta = snapshotMeta(50, 3, simpleConfiguration(["a"]));
  assert.is(mergeableCount([op({}), op({}), op({ snapshot: meta }), op({})]), 2);
  assert.is(mergeableCount([op({ snapshot: meta }), op({})]), 2);
  const large = (index: number): AppendOp =>
    op({ entries: [{ index, term: 1, type: 1, data: Buffer.alloc(3 << 20) }] });
  assert.is(mergeableCount([large(1), large(2), large(3)]), 2);
});

it.run();
