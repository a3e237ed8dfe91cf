/**
 * Override rules: which claim beats what is known. memberlist's order, with one difference: an incarnation is
 * only ever learned from a record that its owner signed, so an accusation above it is a forgery or an error.
 */
import { Status, type StatusCode } from "./types.ts";

export interface Known {
  readonly status: StatusCode;
  readonly incarnation: number;
}

export type AccusationVerdict =
  /** The accusation holds: change the status and spread it. */
  | "apply"
  /** The member is already suspect: count the accuser as a confirmation. */
  | "confirm"
  /** Known, outdated, or about nobody: nothing to do. */
  | "ignore"
  /** Above the last signed incarnation: forged, or the record is still on its way. Not to be believed. */
  | "ahead";

export function judgeAccusation(
  known: Known,
  claim: { readonly kind: "suspect" | "failed"; readonly incarnation: number },
): AccusationVerdict {
  if (known.status === Status.none) return "ignore";
  if (claim.incarnation > known.incarnation) return "ahead";
  if (claim.incarnation < known.incarnation) return "ignore";
  if (known.status === Status.failed || known.status === Status.left) return "ignore";
  if (claim.kind === "failed" || known.status === Status.alive) return "apply";
  return "confirm";
}

/** A record beats all that is known at lower incarnations, and nothing at its own. */
export function recordIsNews(known: Known, incarnation: number): boolean {
  return known.status === Status.none || incarnation > known.incarnation;
}
