/** `why`: what a node or a job waits for, who holds it, and what comes next. Pure: read off the inventory. */
import { rfc3339 } from "../../base/clock.ts";
import { type Condition } from "../../inventory/conditions.ts";
import { type JobRecord, type NodeRecord } from "../../inventory/records.ts";
import { blockedBy } from "../../inventory/job-nodes.ts";
import { legalActions } from "../../inventory/transitions.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type Reason, type WhyJob, type WhyNode } from "../contract/events.ts";
import { conditionsOf } from "./conditions.ts";
import { membershipDoubt } from "./doubt.ts";

type Given = Partial<Omit<Reason, "code" | "message">>;

function reason(code: string, message: string, given: Given = {}): Reason {
  return { code, message, node: null, job: null, since: null, ...given };
}

export function whyNode(view: InventoryView, node: NodeRecord): WhyNode {
  const { name, phase, reachability } = node;
  const reasons = [
    ...reachabilityReasons(node),
    ...doubtReasons(view, node),
    ...holderReasons(view, node),
    ...queueReasons(view, node),
    ...conditionsOf(node).filter(isTrouble).map(conditionReason),
    ...failureReasons(view, node),
  ];
  return {
    node: name,
    phase,
    reachability,
    summary: nodeSummary(node, reasons),
    reasons,
    nextTryAt: null,
  };
}

function reachabilityReasons({ name, reachability, reachabilitySince }: NodeRecord): Reason[] {
  if (reachability === "reachable") return [];
  const message =
    reachability === "left"
      ? `The agent of "${name}" left on purpose; start it again`
      : `The agent of "${name}" does not answer; jobs refuse the node until it does`;
  const code = reachability === "left" ? "LEFT" : "UNREACHABLE";
  return [reason(code, message, { node: name, since: rfc3339(reachabilitySince) })];
}

/** While the leader doubts its own eyes, a node that is called reachable may be lost. */
function doubtReasons(view: InventoryView, { name }: NodeRecord): Reason[] {
  const doubt = membershipDoubt(view);
  if (doubt === null || doubt.node === name) return [];
  const since = rfc3339(doubt.condition.since);
  const message = `Losses are not reported now, so this may be out of date: ${doubt.condition.message}`;
  return [reason("MEMBERSHIP_UNCERTAIN", message, { node: doubt.node, since })];
}

function holderReasons(view: InventoryView, { name, job }: NodeRecord): Reason[] {
  if (job === null) return [];
  const record = view.job(job);
  const work = record?.nodes[name];
  const step = work?.step ?? null;
  const doing = step === null ? "" : `, at ${step}`;
  const message = `Job ${job} (${record?.action ?? "unknown"}) holds it: ${work?.status ?? "?"}${doing}`;
  const since = work?.startedAt ?? null;
  const begun = since === null ? {} : { since: rfc3339(since) };
  return [reason("HELD", message, { node: name, job, ...begun })];
}

function queueReasons(view: InventoryView, { name }: NodeRecord): Reason[] {
  return view
    .activeJobs()
    .filter((job) => job.status === "queued" && job.targets.includes(name))
    .map((job) =>
      reason("QUEUED", `Job ${job.id} (${job.action}) is queued for it`, {
        node: name,
        job: job.id,
        since: rfc3339(job.createdAt),
      }),
    );
}

function isTrouble({ type, status }: Condition): boolean {
  return type === "Configured" ? status !== "True" : status !== "False";
}

function conditionReason({ type, status, reason: why, message, since }: Condition): Reason {
  const text = `${type} is ${status}: ${message === "" ? why : message}`;
  return reason(`${type}:${why}`, text, { since: rfc3339(since) });
}

function failureReasons(view: InventoryView, { name, phase, lastJob }: NodeRecord): Reason[] {
  if (phase !== "failed" || lastJob === null) return [];
  const work = view.job(lastJob)?.nodes[name];
  if (work === undefined || work.message === "") return [];
  const code = work.exitCode === null ? "" : ` (exit code ${work.exitCode})`;
  const step = work.step === null ? "" : ` at ${work.step}${code}`;
  return [reason("FAILED", `Job ${lastJob} failed${step}: ${work.message}`, { job: lastJob })];
}

function nodeSummary({ name, phase, job }: NodeRecord, reasons: readonly Reason[]): string {
  const [first] = reasons;
  const head = `Node "${name}" is ${phase}`;
  if (first !== undefined) return `${head}. ${first.message}`;
  const can = legalActions(phase).join(", ");
  return job === null ? `${head} and waits for nothing; possible: ${can}` : head;
}

export function whyJob(view: InventoryView, job: JobRecord): WhyJob {
  const reasons = jobReasons(view, job);
  const [first] = reasons;
  const head = `Job ${job.id} (${job.action}) is ${job.status}`;
  return {
    job: job.id,
    status: job.status,
    summary:
      first === undefined ? `${head}${progress(job)}` : `${head}${progress(job)}. ${first.message}`,
    reasons,
    nextTryAt: null,
  };
}

function progress({ nodes, targets }: JobRecord): string {
  const ended = Object.values(nodes).filter(
    ({ status }) => status !== "pending" && status !== "running",
  );
  return `, ${ended.length} of ${targets.length} nodes ended`;
}

function jobReasons(view: InventoryView, job: JobRecord): readonly Reason[] {
  switch (job.status) {
    case "queued":
      return queuedReasons(view, job);
    case "paused":
      return [...pausedReasons(job), ...runningReasons(view, job)];
    case "running":
      return [
        ...(job.cancelRequested
          ? [reason("CANCELLING", "It was cancelled; running actions are being stopped")]
          : []),
        ...runningReasons(view, job),
      ];
    case "failed":
    case "cancelled":
    case "rolled-back":
      return failedReasons(job);
    case "succeeded":
      return [];
  }
}

function queuedReasons(view: InventoryView, job: JobRecord): readonly Reason[] {
  return blockedBy(view, job).map((id) => {
    const holder = view.job(id);
    const shared = job.targets.filter((name) => holder?.targets.includes(name) === true);
    const what = `${holder?.action ?? "unknown"}, ${holder?.status ?? "?"}`;
    const message = `It waits for job ${id} (${what}), which has ${listed(shared)}`;
    return reason("BLOCKED", message, { job: id, node: shared[0] ?? null });
  });
}

function pausedReasons({ nodes, strategy }: JobRecord): readonly Reason[] {
  const failed = Object.keys(nodes).filter((name) => isFailure(nodes[name]?.status));
  const because =
    strategy.onFailure === "pause" && failed.length > strategy.maxFailures
      ? `${listed(failed)} failed, more than maxFailures (${strategy.maxFailures}) allows`
      : "it was paused by request";
  const next = "no new wave begins; resume, retry or cancel it";
  return [reason("PAUSED", `${because[0]?.toUpperCase() ?? ""}${because.slice(1)}: ${next}`)];
}

function runningReasons(view: InventoryView, { nodes }: JobRecord): readonly Reason[] {
  return Object.entries(nodes).flatMap(([name, { status, current, step }]) => {
    if (status !== "running") return [];
    const away = view.node(name)?.reachability !== "reachable";
    if (current === null) {
      return [reason("RUNNING", `"${name}" is at ${step ?? "its first step"}`, { node: name })];
    }
    const deadline = rfc3339(current.begunAt + current.timeoutMs);
    const doing = `${current.role} ${current.action}`;
    const message = away
      ? `"${name}" is unreachable during ${doing}; it is waited for until ${deadline}, then lost`
      : `"${name}" runs ${doing}, until ${deadline} at the latest`;
    const since = rfc3339(current.begunAt);
    return [reason(away ? "UNREACHABLE" : "RUNNING", message, { node: name, since })];
  });
}

function failedReasons({ nodes }: JobRecord): readonly Reason[] {
  return Object.entries(nodes).flatMap(([name, { status, step, exitCode, message }]) => {
    if (status === "succeeded" || status === "skipped") return [];
    const at = step === null ? "" : ` at ${step}`;
    const code = exitCode === null ? "" : ` (exit code ${exitCode})`;
    const text = `"${name}" ${status}${at}${code}${message === "" ? "" : `: ${message}`}`;
    return [reason(status.toUpperCase(), text, { node: name })];
  });
}

function isFailure(status: string | undefined): boolean {
  return status === "failed" || status === "lost";
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  const more = names.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
