/**
 * The frame of the four sequences (commission, upgrade, verify, clean-up): what they are given of a
 * node's work in a job, and what they answer. A sequence is a pure replay over the runs that ended:
 * it claims them step by step and answers the first step that is missing, or the end. So it may be
 * asked at any time, by any leader.
 */
import { formatDuration } from "../base/duration.ts";
import { type Command } from "../inventory/commands.ts";
import { type Condition } from "../inventory/conditions.ts";
import {
  type ActionName,
  type FinishedRun,
  type JobNode,
  type JobRecord,
  type Manifest,
  type NodeRecord,
} from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { appliedInOrder } from "./applied-roles.ts";
import { AppliedHistory, RoundRuns } from "./run-history.ts";

export type NodeFinish = Extract<Command, { readonly type: "job.node.finish" }>;
export type NodeEnd = Omit<NodeFinish, "type" | "job" | "node">;

export interface RunRequest {
  readonly role: string;
  readonly action: ActionName;
  readonly attempt: number;
  readonly revision: string;
  readonly timeoutMs: number;
}

export type NodeStep =
  | { readonly kind: "run"; readonly run: RunRequest }
  | { readonly kind: "end"; readonly end: NodeEnd };

interface Found {
  readonly node: NodeRecord;
  readonly state: JobNode;
  /** The node has been unreachable for longer than its next step can wait. */
  readonly isAway: boolean;
}

/** One node's work in one job. */
export class NodeWork {
  readonly job: JobRecord;
  readonly node: NodeRecord;
  readonly state: JobNode;
  readonly runs: RoundRuns;
  readonly applied: AppliedHistory;
  readonly isAway: boolean;
  readonly #view: InventoryView;

  constructor(view: InventoryView, job: JobRecord, found: Found) {
    this.#view = view;
    this.job = job;
    this.node = found.node;
    this.state = found.state;
    this.isAway = found.isAway;
    this.runs = new RoundRuns(found.state);
    this.applied = new AppliedHistory(view, found.node.name);
  }

  /** Why `step` must not be begun any more, or null. */
  haltBefore(step: RunRequest): Stop | null {
    if (this.job.cancelRequested) return halted("cancelled", `cancelled before ${stepOf(step)}`);
    if (!this.isAway) return null;
    return halted("lost", `the node went away before ${stepOf(step)}`);
  }

  /** The step that finished the work; null when there was nothing to run. */
  lastStep(): string | null {
    const last = this.runs.last();
    return last === null ? null : stepOf(last);
  }

  /**
   * The condition of a node whose work succeeded: True, or Unknown when the operator assigned other
   * roles in the meantime, or more than this job was asked for.
   */
  doneCondition(reason: string, appliedRoles: readonly string[]): Omit<Condition, "since"> {
    const assigned = this.#view.spec(this.node.name).roles;
    const missing = assigned.filter((role) => !appliedRoles.includes(role));
    if (missing.length === 0) return configured("True", reason, "");
    const text = `assigned but not applied: ${missing.join(", ")}; run upgrade`;
    return configured("Unknown", "RolesNotApplied", text);
  }

  /** `roles` as they are on the node, dependencies first. */
  inOrder(roles: readonly string[]): readonly string[] {
    return appliedInOrder(this.#view, this.node, roles);
  }

  /** What `revision` defines; null when the inventory does not know it. */
  manifest(revision: string | null): Manifest | null {
    return revision === null ? null : (this.#view.revision(revision)?.manifest ?? null);
  }

  /** The run of an action, or null when the role has none at that revision. */
  request(role: string, action: ActionName, revision: string | null): RunRequest | null {
    const spec = this.manifest(revision)?.roles[role]?.actions[action];
    if (spec === undefined || revision === null) return null;
    const attempt = this.runs.nextAttempt(role, action);
    return { role, action, attempt, revision, timeoutMs: spec.timeoutMs };
  }
}

/** Roles on a node after some were worked on (they may be there) and some were taken away. */
export function appliedAfter(
  node: NodeRecord,
  change: { readonly begun: readonly string[]; readonly cleaned: readonly string[] },
): readonly string[] {
  const roles = new Set([...node.appliedRoles, ...change.begun]);
  for (const role of change.cleaned) roles.delete(role);
  return [...roles].sort();
}

export function configured(
  status: Condition["status"],
  reason: string,
  message: string,
): Omit<Condition, "since"> {
  return { type: "Configured", status, reason, message };
}

/** `web/configure`: how a step is named to people. */
export function stepOf(run: Pick<FinishedRun, "role" | "action">): string {
  return `${run.role}/${run.action}`;
}

/** One sentence of how a run ended, with the cause that the run gave. */
export function describeRun(run: FinishedRun): string {
  const cause = run.message === "" ? "" : `: ${run.message}`;
  return `${stepOf(run)} ${endOf(run)}${cause}`;
}

function endOf(run: FinishedRun): string {
  switch (run.outcome) {
    case "succeeded":
      return "succeeded";
    case "drifted":
      return "found drift";
    case "failed":
      if (run.signal !== null) return `was killed by signal ${run.signal}`;
      return run.exitCode === null ? "could not run" : `failed with exit code ${run.exitCode}`;
    case "timed-out":
      return `timed out after ${formatDuration(run.endedAt - run.startedAt)}`;
    case "cancelled":
      return "was cancelled";
    case "lost":
      return "was lost";
  }
}

/** How a node ends in its job when `run` was the one that stopped it. */
export function statusOf(run: FinishedRun): "failed" | "cancelled" | "lost" {
  return run.outcome === "cancelled" || run.outcome === "lost" ? run.outcome : "failed";
}

/** What stopped a sequence: a run, or between two runs an order to cancel or the node's absence. */
export interface Stop {
  readonly run: FinishedRun | null;
  readonly status: "failed" | "cancelled" | "lost";
  readonly step: string | null;
  readonly exitCode: number | null;
  readonly message: string;
}

export function stoppedBy(run: FinishedRun): Stop {
  const { exitCode } = run;
  return { run, status: statusOf(run), step: stepOf(run), exitCode, message: describeRun(run) };
}

function halted(status: "cancelled" | "lost", message: string): Stop {
  return { run: null, status, step: null, exitCode: null, message };
}
