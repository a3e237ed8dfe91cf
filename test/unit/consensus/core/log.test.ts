import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AssertionError } from "../../../../src/base/assert.ts";
import { entrySize, RaftLog } from "../../../../src/consensus/core/log.ts";
import { PendingWrites } from "../../../../src/consensus/core/pending-writes.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type RecoveredLog, type SnapshotMeta } from "../../../../src/consensus/core/types.ts";
import { entriesOf, recoveredLog } from "../../../support/core-bench.ts";
import { history } from "../../../support/entries.ts";

const it = suite("consensus: log");
const everything = { maxBytes: 1 << 20, maxCount: 1 << 20 };
const config = simpleConfiguration(["a"]);

const logOf = (terms: readonly number[]): RaftLog => new RaftLog(recoveredLog(["a"], terms));
const termsOf = (log: RaftLog): readonly (number | null)[] =>
  Array.from({ length: log.last - log.first + 1 }, (_, i) => log.termAt(log.first + i));

function snapshotAt(index: number, term: number): SnapshotMeta {
  return { id: "s", index, term, config, ...history, sizeBytes: 0, sha256: "" };
}

it("knows the term of every retained entry and of the position before the first", () => {
  const log = logOf([1, 1, 2, 5]);
  assert.equal(
    [0, 1, 2, 3, 4].map((i) => log.termAt(i)),
    [0, 1, 1, 2, 5],
  );
  assert.is(log.termAt(5), null);
  log.compactTo(3);
  assert.equal(
    [1, 2, 3].map((i) => log.termAt(i)),
    [null, 1, 2],
  );
});

it("agrees with a plain array under appends, truncations and compactions", () => {
  const operation = fc.record({
    kind: fc.constantFrom("append", "truncate", "compact"),
    at: fc.nat(30),
    step: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const log = logOf([]);
      const model: number[] = [0];
      let base = 0;
      for (const { kind, at, step } of operations) {
        const last = model.length - 1;
        if (kind === "append") {
          const term = (model[last] ?? 0) + (step === 0 ? 1 : 0) + (last === 0 ? 1 : 0);
          model.push(term);
          log.append(entriesOf([term], last + 1));
        } else if (kind === "truncate" && last > base) {
          const from = base + 1 + (at % (last - base));
          model.length = from;
          log.truncateFrom(from);
        } else if (kind === "compact" && last > base) {
          log.takeUnhanded();
          log.stableTo(last);
          base += at % (last - base + 1);
          log.compactTo(base + 1);
        }
        assert.is(log.last, model.length - 1);
        assert.equal(termsOf(log), model.slice(base + 1));
        assert.is(log.lastTerm, model.at(-1));
      }
    }),
    { numRuns: 300 },
  );
});

it("finds where two logs may still agree: the last entry with a term not above the given", () => {
  const log = logOf([1, 1, 2, 4, 4]);
  assert.equal(log.possibleMatch(5, 3), { index: 3, term: 2 });
  assert.equal(log.possibleMatch(5, 4), { index: 5, term: 4 });
  assert.equal(log.possibleMatch(9, 9), { index: 5, term: 4 }, "the search starts at the end");
  assert.equal(log.possibleMatch(2, 0), { index: 0, term: 0 });
  log.compactTo(4);
  assert.equal(log.possibleMatch(5, 1), { index: 3, term: 2 }, "nothing is known before the base");
});

it("hands storage what is new, and what to cut first", () => {
  const log = logOf([1, 1]);
  log.append(entriesOf([2, 2], 3));
  assert.equal(
    log.takeUnhanded().entries.map(({ index }) => index),
    [3, 4],
  );
  assert.is(log.hasUnhanded(), false);
  log.truncateFrom(2);
  log.append(entriesOf([3], 2));
  const next = log.takeUnhanded();
  assert.is(next.truncateFrom, 2);
  assert.equal(
    next.entries.map(({ index, term }) => [index, term]),
    [[2, 3]],
  );
});

it("does not tell storage to cut what storage was never given", () => {
  const log = logOf([1]);
  log.append(entriesOf([1, 1], 2));
  log.truncateFrom(2);
  log.append(entriesOf([2], 2));
  assert.is(log.takeUnhanded().truncateFrom, null);
});

it("a late write never vouches for entries that replaced the written ones (ABA)", () => {
  const log = logOf([1]);
  const writes = new PendingWrites();
  log.append(entriesOf([1, 1], 2));
  log.takeUnhanded();
  const first = writes.add(log.last);
  log.truncateFrom(2);
  writes.truncateFrom(2);
  log.append(entriesOf([2, 2], 2));
  log.takeUnhanded();
  const second = writes.add(log.last);
  log.stableTo(writes.complete(first) ?? 0);
  assert.is(log.stable, 1, "entries 2 and 3 are others now");
  log.stableTo(writes.complete(second) ?? 0);
  assert.is(log.stable, 3);
});

it("gives entries up to a limit of bytes and of count, but always one", () => {
  const log = logOf([1, 1, 1, 1]);
  const one = entrySize({ index: 1, term: 1, type: 1, data: new Uint8Array(1) });
  assert.is(log.entries(1, { maxBytes: 1, maxCount: 9 })?.length, 1);
  assert.is(log.entries(1, { maxBytes: 2 * one, maxCount: 9 })?.length, 2);
  assert.is(log.entries(2, { maxBytes: 1 << 20, maxCount: 2 })?.length, 2);
  assert.equal(log.entries(5, everything), []);
});

it("forgets old payloads beyond the tail's size, but neither undurable nor uncommitted ones", () => {
  const log = logOf([1, 1, 1, 1, 1, 1]);
  log.append(entriesOf([1, 1], 7));
  log.trim(1, 4);
  assert.is(log.tailFirst, 5, "5 is not committed");
  log.trim(1, 8);
  assert.is(log.tailFirst, 7, "7 is not durable");
  assert.is(log.entries(6, everything), null);
  assert.is(log.termAt(2), 1, "terms stay known");
});

it("restarts behind a snapshot", () => {
  const log = logOf([1, 1, 1]);
  log.restore(10, 4);
  assert.equal([log.first, log.last, log.lastTerm], [11, 10, 4]);
  log.append(entriesOf([5], 11));
  assert.equal(log.takeUnhanded(), { truncateFrom: null, entries: entriesOf([5], 11) });
});

it("recovers a log that begins behind its snapshot, with it, or before it", () => {
  const base: RecoveredLog = { ...recoveredLog(["a"], []), configs: [config], applied: 10 };
  const behind = { ...base, snapshot: snapshotAt(10, 3), firstIndex: 11, lastIndex: 10 };
  assert.equal([new RaftLog(behind).first, new RaftLog(behind).termAt(10)], [11, 3]);
  const runs = [{ first: 8, term: 3 }];
  const before = { ...behind, firstIndex: 8, lastIndex: 12, termRuns: runs };
  const log = new RaftLog({ ...before, tail: entriesOf([3, 3], 11) });
  assert.is(log.first, 9, "the first entry serves as the position before the log");
  assert.equal([log.termAt(8), log.last, log.tailFirst], [3, 12, 11]);
});

it("refuses gaps, falling terms and impossible recoveries", () => {
  const log = logOf([2]);
  assert.throws(() => log.append(entriesOf([2], 3)), isAssertion);
  assert.throws(() => log.append(entriesOf([1], 2)), isAssertion);
  assert.throws(() => log.truncateFrom(5), isAssertion);
  assert.throws(() => new RaftLog({ ...recoveredLog(["a"], [1]), lastIndex: 2 }), isAssertion);
});

function isAssertion(error: unknown): boolean {
  return error instanceof AssertionError;
}

it.run();
