/** The end of a job: nodes are freed, none of them stays in a passing phase, old jobs are dropped. */
import { type Draft } from "./draft.ts";
import { type Outcome, type Refusal, done, refuse } from "./outcome.ts";
import { type JobEnd, type JobNode, type JobRecord } from "./records.ts";
import { isActive } from "./state.ts";
import { isPassing } from "./transitions.ts";
import { jobNode } from "./job-nodes.ts";
import { limits } from "./limits.ts";
import { updateNode } from "./node-changes.ts";

/** Nodes that were never begun end as the job does: cancelled with it, else skipped. */
export function finishJob(
  draft: Draft,
  job: JobRecord,
  { status }: { readonly status: JobEnd },
): Outcome {
  const refusal = endRefusal(draft, job, status);
  if (refusal !== null) return refusal;
  const isCancelled = status === "cancelled" || job.cancelRequested;
  const untouched = isCancelled ? "cancelled" : "skipped";
  const nodes: Record<string, JobNode> = {};
  for (const [name, work] of Object.entries(job.nodes)) {
    nodes[name] =
      work.status === "pending" ? { ...work, status: untouched, endedAt: draft.at } : work;
  }
  draft.put("job", job.id, { ...job, status, nodes, endedAt: draft.at });
  for (const name of job.targets) {
    if (draft.view.node(name)?.job === job.id) {
      updateNode(draft, name, { job: null, lastJob: job.id });
    }
  }
  draft.emit("job.finished", `job/${job.id}`, `Job "${job.id}" (${job.action}): ${status}`, {
    action: job.action,
    status,
  });
  trimJobs(draft);
  return done({ id: job.id, status });
}

function endRefusal(draft: Draft, job: JobRecord, status: JobEnd): Refusal | null {
  const cannot = `Cannot end job "${job.id}" as ${status}`;
  if (!isActive(job)) {
    return refuse("ILLEGAL_MOVE", `${cannot}: it is ${job.status} already`, { status: job.status });
  }
  if (job.status === "queued" && status !== "cancelled") {
    return refuse("ILLEGAL_MOVE", `${cannot}: it is queued; start or cancel it`);
  }
  const running = job.targets.filter((name) => jobNode(job, name)?.status === "running");
  if (running.length > 0) {
    return refuse("ILLEGAL_MOVE", `${cannot}: node "${running.join('", "')}" is running`, {
      nodes: running,
    });
  }
  const stuck = job.targets.filter((name) => {
    const node = draft.view.node(name);
    return node?.job === job.id && isPassing(node.phase);
  });
  if (stuck.length > 0) {
    return refuse("ILLEGAL_MOVE", `${cannot}: node "${stuck.join('", "')}" is in a passing phase`, {
      nodes: stuck,
    });
  }
  return status === "succeeded" ? successRefusal(job, cannot) : null;
}

function successRefusal(job: JobRecord, cannot: string): Refusal | null {
  const other = Object.entries(job.nodes)
    .filter(([, work]) => work.status !== "succeeded" && work.status !== "skipped")
    .map(([name]) => name)
    .sort();
  if (other.length === 0) return null;
  const names = other.join('", "');
  return refuse("ILLEGAL_MOVE", `${cannot}: node "${names}" did not succeed`, { nodes: other });
}

export function trimJobs(draft: Draft): void {
  const jobs = draft.view.jobs();
  let excess = jobs.length - draft.view.activeJobs().length - limits.endedJobs;
  for (const job of jobs) {
    if (excess <= 0) return;
    if (isActive(job)) continue;
    draft.delete("job", job.id);
    excess -= 1;
  }
}
