/**
 * Random histories for the linearizability checker. They are linearizable by construction: operation i takes effect
 * at the moment 10 × i, on one copy of the object, and has an interval around that moment which overlaps its
 * neighbours'. Some never return, of which some never take effect. Mutations then change results and move
 * intervals, which may or may not matter.
 */
import * as fc from "fast-check";
import { type Operation } from "../linearizability/history.ts";
import { type KeyValueOp } from "../linearizability/key-value.ts";
import { type RegisterOp } from "../linearizability/register.ts";

/** One copy of an object, used by one client at a time: `apply` returns the operation with its true result. */
export interface Copy<Op> {
  apply(op: Op): Op;
}

export class RegisterCopy implements Copy<RegisterOp> {
  #value: number | null = null;

  apply(op: RegisterOp): RegisterOp {
    if (op.f === "read") return { f: "read", value: this.#value };
    if (op.f === "write") {
      this.#value = op.value;
      return op;
    }
    const swapped = this.#value === op.from;
    if (swapped) this.#value = op.to;
    return { ...op, swapped };
  }
}

export class KeyValueCopy implements Copy<KeyValueOp> {
  readonly #values = new Map<string, string>();

  apply(op: KeyValueOp): KeyValueOp {
    const { f, key, value } = op;
    const old = this.#values.get(key) ?? "";
    if (f === "get") return { f, key, value: old };
    this.#values.set(key, f === "put" ? value : old + value);
    return op;
  }
}

/** True when `ops`, one after another on a new copy, have the results that they report. */
export function replays<Op>(copy: Copy<Op>, ops: readonly Op[]): boolean {
  return ops.every((op) => JSON.stringify(copy.apply(op)) === JSON.stringify(op));
}

/** What the generator needs to know of a kind of object. */
export interface Subject<Op> {
  readonly ops: fc.Arbitrary<Op>;
  copy(): Copy<Op>;
  /** The effect that `op` had if it happened; undefined for one that only reads. */
  effect(op: Op): Op | undefined;
  /** `op` with another result, if it has one. */
  corrupted(op: Op, by: number): Op;
}

const smallInteger = fc.integer({ min: 0, max: 2 });

export const registers: Subject<RegisterOp> = {
  ops: fc.oneof<fc.Arbitrary<RegisterOp>[]>(
    fc.constant({ f: "read", value: null }),
    smallInteger.map((value) => ({ f: "write", value })),
    fc.tuple(smallInteger, smallInteger).map(([from, to]) => {
      return { f: "cas", from, to, swapped: true };
    }),
  ),
  copy: () => new RegisterCopy(),
  effect: (op) => (op.f === "cas" ? { ...op, swapped: true } : op.f === "write" ? op : undefined),
  corrupted(op, by) {
    if (op.f === "read") return { f: "read", value: by % 3 };
    return op.f === "cas" ? { ...op, swapped: !op.swapped } : op;
  },
};

export const stores: Subject<KeyValueOp> = {
  ops: fc.record({
    f: fc.constantFrom("get", "put", "append"),
    key: fc.constantFrom("a", "b"),
    value: fc.constantFrom("x", "y"),
  }),
  copy: () => new KeyValueCopy(),
  effect: (op) => (op.f === "get" ? undefined : op),
  corrupted: (op, by) =>
    op.f === "get" ? { ...op, value: ["", "x", "y", "xx", "xy"][by % 5] ?? "" } : op,
};

interface Plan<Op> {
  readonly op: Op;
  /** How long before its effect it was called, and how long after it returned. */
  readonly early: number;
  readonly late: number;
  readonly fate: "returns" | "hangs" | "is lost";
}

interface Mutation {
  readonly at: number;
  readonly result: number;
  readonly shift: number;
}

interface Size {
  readonly operations: number;
  /** Neighbours that an operation overlaps at most, on each side. */
  readonly overlap: number;
}

export function linearizable<Op>(
  subject: Subject<Op>,
  { operations, overlap }: Size,
): fc.Arbitrary<readonly Operation<Op>[]> {
  const wait = fc.integer({ min: 0, max: overlap * 10 });
  const fate = fc.oneof(
    { weight: 8, arbitrary: fc.constant<Plan<Op>["fate"]>("returns") },
    { weight: 2, arbitrary: fc.constantFrom<Plan<Op>["fate"]>("hangs", "is lost") },
  );
  const plan = fc.record({ op: subject.ops, early: wait, late: wait, fate });
  return fc
    .array(plan, { maxLength: operations, size: "max" })
    .map((plans) => execute(subject, plans));
}

function execute<Op>(subject: Subject<Op>, plans: readonly Plan<Op>[]): readonly Operation<Op>[] {
  const copy = subject.copy();
  return plans.flatMap(({ op, early, late, fate }, process): Operation<Op>[] => {
    const moment = 10 * process;
    const called = moment - early;
    const answered = fate === "is lost" ? op : copy.apply(op);
    if (fate === "returns") return [{ process, op: answered, called, returned: moment + late }];
    const effect = subject.effect(op);
    return effect === undefined ? [] : [{ process, op: effect, called, returned: null }];
  });
}

export function mutated<Op>(
  subject: Subject<Op>,
  size: Size,
): fc.Arbitrary<readonly Operation<Op>[]> {
  const mutation = fc.record({
    at: fc.nat(),
    result: fc.nat(),
    shift: fc.integer({ min: -30, max: 30 }),
  });
  return fc
    .tuple(linearizable(subject, size), fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([history, mutations]) =>
      mutations.reduce((changed, change) => mutate(subject, changed, change), history),
    );
}

function mutate<Op>(
  subject: Subject<Op>,
  history: readonly Operation<Op>[],
  { at, result, shift }: Mutation,
): readonly Operation<Op>[] {
  return history.map((operation, index) => {
    const { op, called, returned, process } = operation;
    if (index !== at % history.length) return operation;
    const corrupted = returned === null ? op : subject.corrupted(op, result);
    const moved = returned === null ? null : returned + shift;
    return { process, op: corrupted, called: called + shift, returned: moved };
  });
}
