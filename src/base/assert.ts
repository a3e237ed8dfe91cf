/**
 * Assertions for programmer errors. They stay on in production: an agent whose invariant broke must stop
 * rather than go on with a state nobody reasoned about. Operating errors are values or `AgentError`s instead.
 */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws when `condition` is false. `message` names the invariant, not the symptom. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(`Invariant broken: ${message}`);
}

/** Returns `value`, which must be present by an invariant that `message` names. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined)
    throw new AssertionError(`Invariant broken: ${message}`);
  return value;
}

/** Marks a branch that a closed union makes impossible. */
export function unreachable(value: never): never {
  throw new AssertionError(`Invariant broken: impossible value ${JSON.stringify(value)}`);
}
