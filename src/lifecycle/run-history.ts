/**
 * What ran before, in two views. Of a node's work in one job: the runs of the present round, to be
 * matched one by one against the steps that a sequence asks for (a plan is a replay: what has run
 * is skipped, the next step is what is missing). Of a node in all jobs: the ledger, which knows
 * what each role was last given.
 */
import {
  type ActionName,
  type FinishedRun,
  type JobNode,
  type LedgerRecord,
} from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";

/**
 * Attempt numbers of round n begin above (n-1)·100, so that a retry never meets a run of an earlier
 * round, and one round can run the same action twice (an upgrade that goes back).
 */
const roundStride = 100;

/** The runs of a node's present round, each to be claimed once, oldest first. */
export class RoundRuns {
  readonly #unclaimed: FinishedRun[];
  readonly #all: readonly FinishedRun[];
  readonly #round: number;

  constructor(work: JobNode) {
    this.#round = work.attempt;
    this.#all = work.runs.filter((run) => roundOf(run.attempt) === work.attempt);
    this.#unclaimed = [...this.#all];
  }

  /** The oldest run of `role` with one of `actions` that no earlier step claimed, or null. */
  claim(role: string, ...actions: readonly ActionName[]): FinishedRun | null {
    const found = this.#unclaimed.findIndex(
      (run) => run.role === role && actions.includes(run.action),
    );
    return found < 0 ? null : (this.#unclaimed.splice(found, 1)[0] ?? null);
  }

  last(): FinishedRun | null {
    return this.#all.at(-1) ?? null;
  }

  has(role: string, action: ActionName): boolean {
    return this.#all.some((run) => run.role === role && run.action === action);
  }

  /** Attempt number for one more run of this action. */
  nextAttempt(role: string, action: ActionName): number {
    const before = this.#all.filter((run) => run.role === role && run.action === action).length;
    return (this.#round - 1) * roundStride + before + 1;
  }

  ids(): ReadonlySet<string> {
    return new Set(this.#all.map((run) => run.id));
  }
}

function roundOf(attempt: number): number {
  return Math.floor((attempt - 1) / roundStride) + 1;
}

/** A role as it was last given to a node: what verify, clean-up and the way back use. */
export interface Applied {
  readonly revision: string;
  readonly vars: LedgerRecord["vars"];
  readonly outcome: FinishedRun["outcome"];
}

export class AppliedHistory {
  readonly #applies: readonly LedgerRecord[];
  readonly #goodRevision: string | null;

  constructor(view: InventoryView, node: string) {
    this.#applies = view.ledger(node).filter(isApply);
    this.#goodRevision = view.node(node)?.revision ?? null;
  }

  /** The last application of `role` whatever came of it: what a clean-up has to take away. */
  last(role: string): Applied | null {
    return this.#applies.findLast((run) => run.role === role) ?? null;
  }

  /** The last application of `role` that succeeded: what a verification compares with. */
  lastGood(role: string): Applied | null {
    return (
      this.#applies.findLast((run) => run.role === role && run.outcome === "succeeded") ?? null
    );
  }

  /**
   * What `role` goes back to when the round with the runs `except` fails: the last success before
   * it, at the node's revision in force when there is one.
   */
  before(role: string, except: ReadonlySet<string>): Applied | null {
    const good = this.#applies.filter(
      (run) => run.role === role && run.outcome === "succeeded" && !except.has(run.id),
    );
    return good.findLast((run) => run.revision === this.#goodRevision) ?? good.at(-1) ?? null;
  }
}

function isApply(run: LedgerRecord): boolean {
  return run.action === "configure" || run.action === "upgrade";
}
