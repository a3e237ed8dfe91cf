/**
 * How much a search may spend. The problem is NP-complete (Gibbons & Korach 1997): there are histories of a few
 * hundred operations that no machine judges, and "unknown" is the honest answer to them.
 */
export interface Budget {
  /** Entries looked at, per object. */
  readonly steps: number;
  /** For the configurations remembered, per object. */
  readonly bytes: number;
  /** Asked now and then; the search itself has no clock. */
  isTimeUp(): boolean;
}

export type BudgetPart = "steps" | "memory" | "time";

export const defaultBudget: Budget = {
  steps: 1_000_000_000,
  bytes: 512 * 1024 * 1024,
  isTimeUp: () => false,
};
