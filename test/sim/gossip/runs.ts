/**
 * The single runs that an experiment is made of: a cell of its grid, once per seed. What a run found can be kept in a
 * file, so that a grid of hours can be stopped at any moment and goes on where it was.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** Runs `cell` for each seed; fewer outcomes than seeds when a budget or the file says so. */
export type Runs = <T>(cell: string, run: (seed: number) => T) => readonly T[];

interface Kept {
  readonly cell: string;
  readonly seed: number;
  readonly seconds: number;
  readonly outcome: unknown;
}

export interface LedgerOptions {
  /** Null: nothing is kept. */
  readonly file: string | null;
  /** A cell that took this long in all is not run for further seeds. */
  readonly cellSeconds: number;
  /** Cells to run: those whose names match; without it all. */
  readonly cells?: RegExp;
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #cells = new Map<string, Map<number, Kept>>();

  constructor(options: LedgerOptions) {
    this.#options = options;
    const { file } = options;
    if (file === null || !existsSync(file)) return;
    const text = readFileSync(file, "utf8");
    // A process that was killed may have left half a line: the next one begins on its own.
    if (text !== "" && !text.endsWith("\n")) appendFileSync(file, "\n");
    for (const line of text.split("\n")) {
      if (line.endsWith("}")) this.#note(JSON.parse(line, fromJson) as Kept);
    }
  }

  /** Runs what was not run yet, as long as the budget lasts. Each wanted cell gets one run at least. */
  running(prefix: string, seeds: readonly number[]): Runs {
    return <T>(name: string, run: (seed: number) => T): readonly T[] => {
      const cell = `${prefix} ${name}`;
      const isWanted = this.#options.cells?.test(name) ?? true;
      for (const seed of isWanted ? seeds : []) {
        const kept = this.#cells.get(cell);
        if (kept?.has(seed) === true) continue;
        const spent = [...(kept?.values() ?? [])].reduce((sum, { seconds }) => sum + seconds, 0);
        if (spent > this.#options.cellSeconds) break;
        const begun = process.cpuUsage();
        const outcome = run(seed);
        const { user, system } = process.cpuUsage(begun);
        this.#keep({ cell, seed, seconds: (user + system) / 1e6, outcome });
      }
      return this.#outcomes<T>(cell, seeds);
    };
  }

  /** Only what was kept. */
  stored(prefix: string, seeds: readonly number[]): Runs {
    return <T>(name: string): readonly T[] => this.#outcomes<T>(`${prefix} ${name}`, seeds);
  }

  /** CPU seconds of all runs whose cells begin with `prefix`. */
  seconds(prefix: string): number {
    let sum = 0;
    for (const [cell, kept] of this.#cells) {
      if (!cell.startsWith(`${prefix} `)) continue;
      for (const { seconds } of kept.values()) sum += seconds;
    }
    return sum;
  }

  #outcomes<T>(cell: string, seeds: readonly number[]): readonly T[] {
    const kept = this.#cells.get(cell);
    return seeds.flatMap((seed) => {
      const found = kept?.get(seed);
      return found === undefined ? [] : [found.outcome as T];
    });
  }

  #note(kept: Kept): void {
    const cell = this.#cells.get(kept.cell) ?? new Map<number, Kept>();
    this.#cells.set(kept.cell, cell.set(kept.seed, kept));
  }

  #keep(kept: Kept): void {
    this.#note(kept);
    const { file } = this.#options;
    if (file !== null) appendFileSync(file, `${JSON.stringify(kept, toJson)}\n`);
  }
}

/** JSON has no infinity, which is how long a run took that never came to its end. */
function toJson(_: string, value: unknown): unknown {
  return value === Infinity ? "Infinity" : value;
}

function fromJson(_: string, value: unknown): unknown {
  return value === "Infinity" ? Infinity : value;
}
