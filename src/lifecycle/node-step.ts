/**
 * The next command for one node that a job works on: wait for its run, begin the next one, or end
 * the work.
 */
import { type PeerId } from "../base/ids.ts";
import { cut } from "../inventory/names.ts";
import { runId } from "../inventory/job-nodes.ts";
import { limits } from "../inventory/limits.ts";
import { type Command } from "../inventory/commands.ts";
import {
  type CurrentRun,
  type FinishedRun,
  type HistoryRecord,
  type JobNode,
  type JobRecord,
  type NodeRecord,
} from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { planCleanup } from "./cleanup-sequence.ts";
import { planCommission } from "./commission-sequence.ts";
import { type NodeEnd, type NodeStep, NodeWork } from "./node-work.ts";
import { lostVars } from "./run-vars.ts";
import { planUpgrade } from "./upgrade-sequence.ts";
import { planVerify } from "./verify-sequence.ts";

export interface PlannerOptions {
  /**
   * Beyond the timeout of a run: for the way to the node, and for the killing of what does not end.
   */
  readonly runGraceMs: number;
  /** How long the next step waits for a node that is away, as when its machine restarts. */
  readonly awayGraceMs: number;
  /** The same when the job is to be cancelled, or decommissions by force. */
  readonly impatientGraceMs: number;
}

export const defaultPlannerOptions: PlannerOptions = {
  runGraceMs: 60_000,
  awayGraceMs: 600_000,
  impatientGraceMs: 60_000,
};

/** What to do now for one node or job, or when to look again; neither: some event will tell. */
export interface Due {
  readonly command: Command | null;
  readonly wakeAt: number | null;
}
export const nothingDue: Due = { command: null, wakeAt: null };

export interface StepContext {
  readonly view: InventoryView;
  readonly now: number;
  readonly options: PlannerOptions;
  readonly leftBehind: LeftBehind;
}

/** Per member that a provisional generation of this history left behind: the last entry that it may share. */
export type LeftBehind = ReadonlyMap<PeerId, number>;

export function planNodeStep(context: StepContext, job: JobRecord, name: string): Due {
  const state = job.nodes[name];
  if (state === undefined || state.status !== "running") return nothingDue;
  const node = context.view.node(name);
  if (node === null) return nothingDue;
  if (state.current !== null) return awaitRun(context, job, { node, run: state.current });
  const awayAt = awayDeadline(context, job, { node, state });
  const isAway = awayAt !== null && context.now >= awayAt;
  const step = planSequence(new NodeWork(context.view, job, { node, state, isAway }));
  if (step.kind === "end") return now(finish(job, name, step.end));
  if (awayAt !== null && !isAway) return { command: null, wakeAt: awayAt };
  return now(beginRun(context, job, { name, step }));
}

export function planSequence(work: NodeWork): NodeStep {
  switch (work.job.action) {
    case "commission":
      return planCommission(work);
    case "upgrade":
      return planUpgrade(work);
    case "verify":
      return planVerify(work);
    case "cleanup":
    case "decommission":
      return planCleanup(work);
  }
}

/**
 * May a cancelled job stop this run? The clean-up after a commission is what cancelling asks for.
 */
export function isCancellable(
  job: Pick<JobRecord, "action">,
  run: Pick<CurrentRun, "action">,
): boolean {
  return job.action !== "commission" || run.action !== "cleanup";
}

/** The end of a node's work, with its message cut to what the inventory takes. */
export function finish(job: JobRecord, node: string, end: NodeEnd): Command {
  const message = cut(end.message, limits.messageLength);
  const condition =
    end.condition === null
      ? null
      : { ...end.condition, message: cut(end.condition.message, limits.messageLength) };
  return { type: "job.node.finish", job: job.id, node, ...end, message, condition };
}

export function now(command: Command): Due {
  return { command, wakeAt: null };
}

function beginRun(
  context: StepContext,
  job: JobRecord,
  next: { readonly name: string; readonly step: Extract<NodeStep, { kind: "run" }> },
): Command {
  const { run } = next.step;
  const id = runId(job.id, next.name, run);
  const current: CurrentRun = { ...run, id, begunAt: context.now };
  return { type: "run.begin", job: job.id, node: next.name, run: current };
}

/**
 * A run is waited for until its time is over; on a node that went away, an impatient job waits
 * less.
 */
function awaitRun(
  context: StepContext,
  job: JobRecord,
  current: { readonly node: NodeRecord; readonly run: CurrentRun },
): Due {
  const { node, run } = current;
  const { runGraceMs, impatientGraceMs } = context.options;
  let lostAt = run.begunAt + run.timeoutMs + runGraceMs;
  const isStopping = job.cancelRequested && isCancellable(job, run);
  if (node.reachability !== "reachable" && (isStopping || isForced(job))) {
    const since = Math.max(run.begunAt, node.reachabilitySince);
    lostAt = Math.min(lostAt, since + impatientGraceMs);
  }
  const waits = isBeyond(context, node) && !isStopping && !isForced(job);
  if (waits) lostAt = Math.max(lostAt, context.now + beyondRecheckMs);
  if (context.now < lostAt) return { command: null, wakeAt: lostAt };
  return now(loseRun(context, job, current));
}

function loseRun(
  context: StepContext,
  job: JobRecord,
  current: { readonly node: NodeRecord; readonly run: CurrentRun },
): Command {
  const { node, run } = current;
  const { begunAt, timeoutMs: _timeout, ...ref } = run;
  const where = node.reachability === "reachable" ? "" : `; it is ${node.reachability}`;
  const result: FinishedRun = {
    ...ref,
    outcome: "lost",
    exitCode: null,
    signal: null,
    startedAt: begunAt,
    endedAt: context.now,
    message: `no result from node "${node.name}" in time${where}`,
  };
  const given = lostVars(context.view, job, { node: node.name, run });
  return { type: "run.finish", job: job.id, node: node.name, result, ...given, transcripts: [] };
}

/** Until when the next step of an absent node is put off; null when the node is there. */
function awayDeadline(
  context: StepContext,
  job: JobRecord,
  found: { readonly node: NodeRecord; readonly state: JobNode },
): number | null {
  const { node, state } = found;
  if (isForced(job)) return node.reachability === "reachable" ? null : context.now;
  if (isBeyond(context, node) && !job.cancelRequested) return context.now + beyondRecheckMs;
  if (node.reachability === "reachable") return null;
  const lastEnd = state.runs.at(-1)?.endedAt ?? 0;
  const since = Math.max(
    node.reachabilitySince,
    state.startedAt ?? 0,
    Math.min(lastEnd, context.now),
  );
  const { impatientGraceMs, awayGraceMs } = context.options;
  return since + (job.cancelRequested ? impatientGraceMs : awayGraceMs);
}

/** Nothing tells when a generation is settled but an entry, which wakes the planner anyway. */
export const beyondRecheckMs = 30_000;

/**
 * Was the node left behind by a generation that is still provisional? Then it may be alive on another side, at work for
 * another leader: nothing is decided about it from here but on the operator's word. That it is reachable counts only
 * when it was seen since: nobody could write down that it was not while there was no quorum.
 */
export function isBeyond(
  { view, leftBehind }: Pick<StepContext, "view" | "leftBehind">,
  node: NodeRecord,
): boolean {
  const shared = leftBehind.get(node.id);
  if (shared === undefined) return false;
  if (node.reachability !== "reachable") return true;
  const isSeen = ({ kind, to, version }: HistoryRecord): boolean =>
    version > shared && (kind === "discovered" || (kind === "reachability" && to === "reachable"));
  return !view.history(node.name).some(isSeen);
}

export function isForced(job: JobRecord): boolean {
  return job.force && job.action === "decommission";
}
