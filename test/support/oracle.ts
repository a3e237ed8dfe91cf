/**
 * Linearizability by its definition, for histories of a few operations: try every selection of the operations that
 * never returned, every order, and look whether the order keeps the real-time order and replays. It shares no code
 * with the checker, not even the models.
 */
import { type Operation } from "../linearizability/history.ts";

/** True when `ops`, one after another from the beginning, report what they would. */
export type Replays<Op> = (ops: readonly Op[]) => boolean;

export function isLinearizable<Op>(
  history: readonly Operation<Op>[],
  replays: Replays<Op>,
): boolean {
  const finished = history.filter(({ returned }) => returned !== null);
  const unfinished = history.filter(({ returned }) => returned === null);
  for (const happened of selections(unfinished)) {
    for (const order of permutations([...finished, ...happened])) {
      if (isProof(order, replays)) return true;
    }
  }
  return false;
}

/** True when `order` keeps the real-time order of its operations and replays. */
export function isProof<Op>(order: readonly Operation<Op>[], replays: Replays<Op>): boolean {
  const keepsTime = order.every((first, index) =>
    order.slice(index + 1).every((later) => !precedes(later, first)),
  );
  return keepsTime && replays(order.map(({ op }) => op));
}

function precedes(a: Operation<unknown>, b: Operation<unknown>): boolean {
  return a.returned !== null && a.returned < b.called;
}

function* selections<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let bits = 0; bits < 2 ** items.length; bits += 1) {
    yield items.filter((_, index) => (bits & (2 ** index)) !== 0);
  }
}

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
  }
}
