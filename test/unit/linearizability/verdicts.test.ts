/** Histories small enough to judge by hand. Operations are drawn as `op @ call–return`. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultBudget } from "../../linearizability/budget.ts";
import { check, type Judgement } from "../../linearizability/check.ts";
import { type Operation } from "../../linearizability/history.ts";
import { keyValue, type KeyValueOp } from "../../linearizability/key-value.ts";
import { possibilities } from "../../linearizability/possibilities.ts";
import { register, type RegisterOp } from "../../linearizability/register.ts";

const it = suite("linearizability: verdicts");

type Interval = readonly [called: number, returned: number | null];

function at<Op>([called, returned]: Interval, op: Op): Operation<Op> {
  return { process: called, op, called, returned };
}

const read = (when: Interval, value: number | null): Operation<RegisterOp> =>
  at(when, { f: "read", value });
const write = (when: Interval, value: number): Operation<RegisterOp> =>
  at(when, { f: "write", value });
const cas = (when: Interval, pair: readonly [number, number], swapped: boolean) =>
  at<RegisterOp>(when, { f: "cas", from: pair[0], to: pair[1], swapped });
const kv = (when: Interval, f: "get" | "put" | "append", key: string, value: string) =>
  at<KeyValueOp>(when, { f, key, value });

const verdict = (...history: readonly Operation<RegisterOp>[]): Judgement<unknown>["verdict"] =>
  check(history, register).verdict;

it("accepts an empty history", () => {
  assert.is(verdict(), "ok");
});

it("rejects a stale read: a value that was overwritten before the read began", () => {
  assert.is(verdict(write([1, 2], 1), write([3, 4], 2), read([5, 6], 1)), "violation");
  assert.is(verdict(write([1, 2], 1), write([3, 6], 2), read([5, 7], 1)), "ok");
});

it("rejects two reads, one after the other, that see two writes in different orders", () => {
  const writes = [write([1, 20], 1), write([2, 21], 2)];
  assert.is(verdict(...writes, read([3, 4], 1), read([5, 6], 2)), "ok");
  const backAndForth = [read([3, 4], 1), read([5, 6], 2), read([7, 8], 1)];
  assert.is(verdict(...writes, ...backAndForth), "violation");
});

it("rejects a lost update: two compare-and-sets that both replaced the same value", () => {
  const both = [cas([3, 8], [0, 1], true), cas([4, 9], [0, 2], true)];
  assert.is(verdict(write([1, 2], 0), ...both), "violation");
});

it("rejects a lost update of appends", () => {
  const history = [
    kv([1, 4], "append", "k", "a"),
    kv([2, 5], "append", "k", "b"),
    kv([6, 7], "get", "k", "b"),
  ];
  assert.is(check(history, keyValue).verdict, "violation");
});

it("takes a refused compare-and-set as a sight of another value", () => {
  assert.is(verdict(write([1, 2], 0), cas([3, 4], [0, 1], false)), "violation");
  assert.is(verdict(write([1, 2], 0), cas([3, 4], [5, 1], false)), "ok");
});

it("accepts a write that changes nothing where it first may be placed, but is needed later", () => {
  assert.is(verdict(write([1, 2], 2), write([3, 4], 0), write([3, 5], 2), read([6, 7], 2)), "ok");
});

it("accepts an unknown write that takes effect late, after later writes", () => {
  const late = [write([1, null], 1), write([2, 3], 2), read([4, 5], 2), read([6, 7], 1)];
  assert.is(verdict(...late), "ok");
});

it("accepts an unknown write that never takes effect", () => {
  assert.is(verdict(write([1, null], 1), write([2, 3], 2), read([4, 5], 2)), "ok");
});

it("rejects an unknown write that takes effect twice", () => {
  const twice = [read([4, 5], 1), write([6, 7], 2), read([8, 9], 1)];
  assert.is(verdict(write([1, null], 1), ...twice), "violation");
  assert.is(verdict(write([1, null], 1), write([2, null], 1), ...twice), "ok");
});

it("rejects an unknown write that takes effect before it is called", () => {
  assert.is(verdict(read([1, 2], 1), write([3, null], 1)), "violation");
});

it("accepts an unknown compare-and-set only where it could have swapped", () => {
  assert.is(verdict(write([1, 2], 0), cas([3, null], [0, 7], true), read([4, 5], 7)), "ok");
  assert.is(verdict(write([1, 2], 1), cas([3, null], [0, 7], true), read([4, 5], 7)), "violation");
});

it("treats operations that touch in one moment as concurrent", () => {
  assert.is(verdict(write([1, 2], 1), write([3, 4], 2), read([4, 5], 1)), "ok");
});

it("judges keys apart, and says on which one a violation is", () => {
  const history = [
    kv([1, 2], "put", "a", "1"),
    kv([3, 4], "put", "b", "1"),
    kv([5, 6], "get", "a", "1"),
    kv([7, 8], "get", "b", ""),
  ];
  const judgement = check(history, keyValue);
  assert.is(judgement.verdict, "violation");
  assert.is(judgement.verdict === "violation" && judgement.part, "b");
});

it("names the operation that could not be placed, and how far it came", () => {
  const judgement = check([write([1, 2], 1), read([3, 4], 1), read([5, 6], 9)], register);
  assert.ok(judgement.verdict === "violation");
  const { stuck, placed, of, state } = judgement.dead;
  assert.equal(
    { op: stuck.op, placed, of, state },
    { op: { f: "read", value: 9 }, placed: 2, of: 3, state: "1" },
  );
});

/** Twenty concurrent writes and then an impossible read: every subset of the writes is a configuration. */
const hard: readonly Operation<RegisterOp>[] = [
  ...Array.from({ length: 20 }, (_, i) => write([i, 100 + i], i)),
  read([200, 201], 999),
];

it("gives up as unknown, and says on what it ran out", () => {
  const exhausted = (part: object): unknown => {
    const judgement = check(hard, register, { ...defaultBudget, ...part });
    return judgement.verdict === "unknown" && judgement.exhausted;
  };
  assert.is(exhausted({ steps: 10_000 }), "steps");
  assert.is(exhausted({ bytes: 1 << 20 }), "memory");
  assert.is(exhausted({ isTimeUp: () => true }), "time");
});

it("reports a violation on one key although another could not be judged", () => {
  const history = [
    ...Array.from({ length: 20 }, (_, i) => kv([i, 100 + i], "append", "hard", String(i))),
    kv([200, 201], "get", "hard", "?"),
    kv([202, 203], "get", "easy", "?"),
  ];
  const judgement = check(history, keyValue, { ...defaultBudget, steps: 10_000 });
  assert.is(judgement.verdict === "violation" && judgement.part, "easy");
  assert.is(
    check(history.slice(0, -1), keyValue, { ...defaultBudget, steps: 10_000 }).verdict,
    "unknown",
  );
});

it("is not slowed down by unknown writes that nobody read", () => {
  const history = [
    ...Array.from({ length: 60 }, (_, i) => write([i, null], i)),
    write([100, 101], 100),
    read([102, 103], 100),
    read([104, 105], 999),
  ];
  assert.is(check(history, register, { ...defaultBudget, steps: 100_000 }).verdict, "violation");
});

it("follows all states that writes of uncertain effect leave possible", () => {
  /** A write that returned may have been dropped all the same. */
  const lossy = possibilities<number | null, RegisterOp>({
    ...register,
    steps(state, op) {
      const after = register.step(state, op);
      if (after === undefined) return [];
      return op.f === "write" ? [state, after] : [after];
    },
  });
  const dropped = [write([1, 2], 1), write([3, 4], 2), read([5, 6], 1)];
  assert.is(check(dropped, register).verdict, "violation");
  assert.is(check(dropped, lossy).verdict, "ok");
  assert.is(check([...dropped, read([7, 8], 2)], lossy).verdict, "violation");
});

it.run();
