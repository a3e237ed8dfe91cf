/** A broken invariant found by the simulator: the reason a run fails. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function require(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Violation(message());
}
