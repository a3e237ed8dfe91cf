/** Retry: what failed, went back, was lost or cancelled in an ended job is worked on again, and nothing else. */
import { type Draft } from "./draft.ts";
import { type Outcome, refuse } from "./outcome.ts";
import { type JobNode, type JobRecord } from "./records.ts";
import { canBegin, legalActions } from "./transitions.ts";
import { isActive } from "./state.ts";

/**
 * @param takeNodes starts the job if its nodes are free, else leaves it queued.
 */
export function retryJob(
  draft: Draft,
  job: JobRecord,
  takeNodes: (draft: Draft, id: string) => Outcome,
): Outcome {
  const cannot = `Cannot retry job "${job.id}"`;
  if (isActive(job)) {
    return refuse("ILLEGAL_MOVE", `${cannot}: it is ${job.status}`, { status: job.status });
  }
  const again = job.targets.filter(
    (name) => draft.view.node(name) !== null && isRetriable(job.nodes[name]),
  );
  if (again.length === 0) {
    return refuse(
      "ILLEGAL_MOVE",
      `${cannot}: none of its nodes failed, went back, was lost or cancelled`,
      {
        status: job.status,
      },
    );
  }
  const barred = again.filter((name) => !mayBegin(draft, job, name));
  if (barred.length > 0) {
    const reasons = barred.map((name) => barredText(draft, name)).join("; ");
    return refuse("ILLEGAL_MOVE", `${cannot}: ${reasons}`, { nodes: barred });
  }
  const nodes: Record<string, JobNode> = { ...job.nodes };
  for (const name of again) {
    const work = job.nodes[name];
    if (work !== undefined) nodes[name] = renewed(work);
  }
  draft.put("job", job.id, {
    ...job,
    nodes,
    status: "queued",
    endedAt: null,
    cancelRequested: false,
    resumedAt: draft.at,
  });
  draft.emit("job.retried", `job/${job.id}`, `Job "${job.id}" retries ${again.length} node(s)`, {
    nodes: again,
  });
  return takeNodes(draft, job.id);
}

const retriable: ReadonlySet<string> = new Set(["failed", "lost", "cancelled", "rolled-back"]);

function isRetriable(work: JobNode | undefined): boolean {
  return work !== undefined && retriable.has(work.status);
}

/** A node in the hands of another job is judged when its turn comes. */
function mayBegin(draft: Draft, job: JobRecord, name: string): boolean {
  const node = draft.view.node(name);
  return node !== null && (node.job !== null || canBegin(job.action, node.phase, job.force));
}

function barredText(draft: Draft, name: string): string {
  const phase = draft.view.node(name)?.phase ?? "failed";
  return `node "${name}" is ${phase} (legal: ${legalActions(phase).join(", ")})`;
}

function renewed(work: JobNode): JobNode {
  return {
    ...work,
    status: "pending",
    attempt: work.attempt + 1,
    current: null,
    step: null,
    exitCode: null,
    startedAt: null,
    endedAt: null,
    message: "",
  };
}
