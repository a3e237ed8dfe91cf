/**
 * What clients saw: one record per operation, with the interval in which it may have taken effect. Positions are
 * line numbers, ticks or times, whatever the recorder counts in; equal positions are treated as concurrent, which
 * can hide a violation but never invents one.
 */
export interface Operation<Op> {
  readonly process: number;
  readonly op: Op;
  /** When the client asked. */
  readonly called: number;
  /**
   * When the client got its answer. Null when it never did (a time-out, a crash): the operation may have taken
   * effect at any time after the call, even after the end of the history, or never.
   */
  readonly returned: number | null;
}
