/** Conditions: what a node is in beside its phase, and since when. */
export const conditionTypes = [
  "Configured",
  "LogSalvaged",
  "MembershipUncertain",
  "NameConflict",
  "Quarantined",
] as const;
export type ConditionType = (typeof conditionTypes)[number];
/** `Configured` is True, Drifted, Broken or Unknown; the other conditions are True while they hold. */
export type ConditionStatus = "True" | "Drifted" | "Broken" | "Unknown" | "False";

export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: string;
  readonly message: string;
  readonly since: number;
}
