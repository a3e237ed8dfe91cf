/** What an experiment is given, and hands back: a table for people, the same as JSON for comparison, and verdicts. */
import { type Runs } from "./runs.ts";

export interface Report {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly verdicts: readonly { readonly claim: string; readonly holds: boolean }[];
}

export interface ExperimentOptions {
  readonly runs: Runs;
  /** The whole grid of the design; otherwise a small one that takes seconds. */
  readonly full: boolean;
}

export type Experiment = (options: ExperimentOptions) => Report;

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function tableText(report: Report): string {
  const cells = [report.columns, ...report.rows.map((row) => row.map(cellText))];
  const widths = report.columns.map((_, at) =>
    Math.max(...cells.map((row) => String(row[at] ?? "").length)),
  );
  const lines = cells.map((row) =>
    row.map((cell, at) => String(cell).padStart(widths[at] ?? 0)).join("  "),
  );
  const verdicts = report.verdicts.map(({ claim, holds }) => `${holds ? "✓" : "✗"} ${claim}`);
  return [`${report.id} ${report.title}`, ...lines, ...verdicts].join("\n");
}

function cellText(cell: string | number): string {
  if (typeof cell === "string" || Number.isInteger(cell)) return String(cell);
  return cell.toFixed(Math.abs(cell) < 10 ? 2 : 0);
}
