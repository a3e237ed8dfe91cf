/** One decoder with what stands behind it. */
export interface Target {
  readonly name: string;
  /** A well-formed input, another one each time. */
  valid(): Uint8Array;
  /** Takes an input; true when it was well-formed. Throws when an invariant broke. */
  feed(bytes: Uint8Array): boolean;
}
