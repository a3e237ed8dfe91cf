/**
 * The heart of every job: what to do now, from the replicated state alone. Level-triggered and
 * idempotent: asked again it answers the same until a command was applied, so it does not matter
 * which leader asks, how often, or what of an earlier answer got lost. At most one command per node
 * and one per job is due at a time, and commands of one answer do not depend on each other; the
 * reducer refuses what the state has overtaken.
 */
import { type Command } from "../inventory/commands.ts";
import { type JobNode, type JobRecord, type NodeRecord } from "../inventory/records.ts";
import { blockedBy, isEnded } from "../inventory/job-nodes.ts";
import { type InventoryView } from "../inventory/view.ts";
import { planNodeBegin } from "./node-begin.ts";
import {
  type Due,
  type PlannerOptions,
  type LeftBehind,
  type StepContext,
  beyondRecheckMs,
  defaultPlannerOptions,
  isBeyond,
  isForced,
  now,
  planNodeStep,
} from "./node-step.ts";

export interface JobPlan {
  readonly commands: readonly Command[];
  /**
   * Wall time at which to plan again although nothing was applied; null when no time is awaited.
   */
  readonly wakeAt: number | null;
}

export function planJobs(
  view: InventoryView,
  wallMs: number,
  options: PlannerOptions = defaultPlannerOptions,
  leftBehind: LeftBehind = new Map(),
): JobPlan {
  const context: StepContext = { view, now: wallMs, options, leftBehind };
  const commands: Command[] = [];
  let wakeAt = Infinity;
  for (const job of view.activeJobs()) {
    for (const due of planJob(context, job)) {
      if (due.command !== null) commands.push(due.command);
      if (due.wakeAt !== null) wakeAt = Math.min(wakeAt, due.wakeAt);
    }
  }
  return { commands, wakeAt: wakeAt === Infinity ? null : wakeAt };
}

function planJob(context: StepContext, job: JobRecord): readonly Due[] {
  if (job.status === "queued") {
    const isBlocked = blockedBy(context.view, job).length > 0;
    return isBlocked ? [] : [now({ type: "job.start", job: job.id })];
  }
  const nodes = Object.values(job.nodes);
  const isOver = job.cancelRequested
    ? nodes.every((node) => node.status !== "running")
    : nodes.every(isEnded);
  if (isOver) return [now({ type: "job.finish", job: job.id, status: outcomeOf(job) })];
  return planWaves(context, job);
}

function planWaves(context: StepContext, job: JobRecord): readonly Due[] {
  const dues: Due[] = [];
  const open = openWave(job);
  const mustPause = job.status === "running" && !job.cancelRequested && pausesNow(job, open);
  if (mustPause) dues.push(now({ type: "job.pause", job: job.id }));
  const mayBegin = job.status === "running" && !job.cancelRequested && !mustPause;
  for (const name of job.targets) {
    const node = job.nodes[name];
    if (node?.status === "running") dues.push(planNodeStep(context, job, name));
    else if (node?.status === "pending" && node.wave <= open && mayBegin) {
      const record = context.view.node(name);
      if (record !== null) dues.push(planTurn(context, job, record));
    }
  }
  return dues;
}

/** Who was left behind by a provisional generation may be taken by a job of another side: its turn waits. */
function planTurn(context: StepContext, job: JobRecord, node: NodeRecord): Due {
  if (isBeyond(context, node) && !isForced(job)) {
    return { command: null, wakeAt: context.now + beyondRecheckMs };
  }
  return now(planNodeBegin(context.view, job, node));
}

/** The lowest wave with work left: a wave begins only when the former ones ended. */
function openWave(job: JobRecord): number {
  let open = Infinity;
  for (const node of Object.values(job.nodes)) {
    if (!isEnded(node)) open = Math.min(open, node.wave);
  }
  return open;
}

/**
 * Too many failures since the operator last let the job go on, and a wave that could still be
 * spared.
 */
function pausesNow(job: JobRecord, open: number): boolean {
  if (job.strategy.onFailure !== "pause") return false;
  const nodes = Object.values(job.nodes);
  const isAtBorder = nodes.every((node) => node.wave !== open || node.status === "pending");
  if (!isAtBorder) return false;
  const since = job.resumedAt ?? 0;
  const failures = nodes.filter((node) => isFailure(node) && (node.endedAt ?? 0) > since);
  return failures.length > job.strategy.maxFailures;
}

function isFailure(node: JobNode): boolean {
  return node.status === "failed" || node.status === "lost" || node.status === "rolled-back";
}

/**
 * A job that was cancelled says so when it left work undone. One that did nothing at all has
 * failed: an operator must never read success where nothing happened.
 */
function outcomeOf(job: JobRecord): "succeeded" | "failed" | "cancelled" | "rolled-back" {
  const statuses = new Set(Object.values(job.nodes).map((node) => node.status));
  const isUndone = statuses.has("cancelled") || statuses.has("pending");
  if (job.cancelRequested && isUndone) return "cancelled";
  if (statuses.has("failed") || statuses.has("lost") || statuses.has("cancelled")) return "failed";
  if (statuses.has("rolled-back")) return "rolled-back";
  return statuses.has("succeeded") ? "succeeded" : "failed";
}
