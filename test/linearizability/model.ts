/**
 * The sequential specification: what a single copy of the object would do with one operation at a time. States are
 * values and never mutated, as the search goes back to earlier ones.
 */
export interface Model<State, Op> {
  readonly initial: State;
  /** The state after `op`, or undefined when the result that `op` reports cannot come from `state`. */
  step(state: State, op: Op): State | undefined;
  /** True when `op` changes no state at all; its steps then lead to where they began. */
  isRead(op: Op): boolean;
  /** Equal keys mean equal states. */
  key(state: State): string;
  /** The object that `op` addresses; objects are judged one by one (locality, Herlihy & Wing 1990, §3.1). */
  part(op: Op): string;
  /** For people: "read → 3". */
  describe(op: Op): string;
}
