/**
 * How a job goes through its nodes: reads what the operator gave over the defaults (a given field
 * replaces that field only), and cuts the targets into waves. A share is a count or a percent of
 * all targets, rounded up.
 */
import { nearestWord } from "../base/nearest.ts";
import { type Json, type JsonObject } from "../base/json.ts";
import { limits } from "../inventory/limits.ts";
import { defaultStrategy, type Strategy } from "../inventory/records.ts";

export interface StrategyProblem {
  readonly field: string;
  readonly message: string;
}

export type ParsedStrategy =
  | { readonly ok: true; readonly strategy: Strategy }
  | { readonly ok: false; readonly problems: readonly StrategyProblem[] };

/** Null means that the value is fine. */
type FieldCheck = (value: Json) => string | null;

const checks: { readonly [F in keyof Strategy]: FieldCheck } = {
  batch: checkShare,
  canary: (value) => (value === null ? null : checkShare(value)),
  maxFailures: (value) =>
    isWhole(value, 0) ? null : `must be a whole number from 0 to ${limits.jobTargets}`,
  onFailure: (value) =>
    value === "continue" || value === "pause" ? null : 'must be "continue" or "pause"',
};

/** Checks all fields and reports every problem, so that one correction is enough. */
export function parseStrategy(given: JsonObject | undefined): ParsedStrategy {
  const problems: StrategyProblem[] = [];
  for (const [field, value] of Object.entries(given ?? {})) {
    const message = isField(field) ? checks[field](value) : unknownField(field);
    if (message !== null) {
      const shown = isField(field)
        ? `strategy.${field} ${message}, not ${JSON.stringify(value)}`
        : message;
      problems.push({ field, message: shown });
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, strategy: { ...defaultStrategy, ...given } };
}

/**
 * Waves of node names in the order given: the canaries alone, then batches. Never an empty wave.
 */
export function wavesOf(
  targets: readonly string[],
  strategy: Strategy,
): readonly (readonly string[])[] {
  const waves: (readonly string[])[] = [];
  let next = 0;
  const take = (share: number | string): void => {
    const size = shareOf(share, targets.length);
    waves.push(targets.slice(next, next + size));
    next += size;
  };
  if (strategy.canary !== null && targets.length > 0) take(strategy.canary);
  while (next < targets.length) take(strategy.batch);
  return waves;
}

/** Number of nodes that `share` means among `total`: at least 1, so that every wave moves on. */
export function shareOf(share: number | string, total: number): number {
  if (typeof share === "number") return Math.max(1, share);
  return Math.max(1, Math.ceil((Number.parseFloat(share) * total) / 100));
}

function isField(field: string): field is keyof Strategy {
  return Object.hasOwn(checks, field);
}

function checkShare(value: Json): string | null {
  if (isWhole(value, 1)) return null;
  const percent = typeof value === "string" ? /^(\d{1,3})%$/.exec(value)?.[1] : undefined;
  if (percent !== undefined && Number(percent) >= 1 && Number(percent) <= 100) return null;
  return `must be a count from 1 to ${limits.jobTargets}, or a percent from "1%" to "100%"`;
}

function isWhole(value: Json, least: number): boolean {
  const isInteger = typeof value === "number" && Number.isInteger(value);
  return isInteger && value >= least && value <= limits.jobTargets;
}

function unknownField(field: string): string {
  const known = Object.keys(checks);
  const near = nearestWord(field, known);
  const hint = near === null ? `known fields are ${known.join(", ")}` : `did you mean "${near}"?`;
  return `strategy has no field "${field}": ${hint}`;
}
