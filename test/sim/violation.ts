/** A broken invariant found by the simulator: the reason a run fails. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function require(condition: boolean, message: () => string): void {
  if (!condition) throw new Violation(message());
}
