/** What every experiment is given, and what it gives back: a table for people, the same as data for machines. */
export type Tool = "etcd" | "wrk" | "go";

export interface Settings {
  /** Repetitions; medians are shown. Muster and etcd take turns within each. */
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  readonly clients: readonly number[];
  /** Log entries before a restart, and overwrites of the memory experiment. */
  readonly entries: number | null;
  readonly note: (text: string) => void;
}

export interface Row {
  readonly [column: string]: string | number;
}

export interface Experiment {
  readonly name: string;
  readonly about: string;
  readonly needs: readonly Tool[];
  run(settings: Settings): Promise<readonly Row[]>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Rounded to three significant digits: more would pretend a precision that no run has. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value;
}
