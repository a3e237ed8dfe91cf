/** A job's hold on a node, checked in one place for every command that works on it. */
import { type Draft } from "./draft.ts";
import { type JobNode, type JobRecord, type NodeRecord } from "./records.ts";
import { type Refusal, notFound, refuse } from "./outcome.ts";
import { jobNode } from "./job-nodes.ts";

export interface HeldWork {
  readonly job: JobRecord;
  readonly node: NodeRecord;
  readonly work: JobNode;
}

/** The work of a live job on a node that it holds, or why there is none. */
export function heldWork(
  draft: Draft,
  command: { readonly job: string; readonly node: string },
): HeldWork | Refusal {
  const job = draft.view.job(command.job);
  if (job === null) return notFound("job", command.job);
  if (job.status !== "running" && job.status !== "paused") {
    return refuse("ILLEGAL_MOVE", `Job "${job.id}" does no work: it is ${job.status}`, {
      status: job.status,
    });
  }
  const work = jobNode(job, command.node);
  if (work === null) {
    return refuse("NOT_FOUND", `Node "${command.node}" is no target of job "${job.id}"`);
  }
  const node = draft.view.node(command.node);
  if (node === null) return notFound("node", command.node);
  if (node.job !== job.id) {
    return refuse(
      "NODE_HELD",
      `Job "${job.id}" does not hold node "${node.name}": ${holder(node)}`,
      { job: node.job },
    );
  }
  return { job, node, work };
}

export function isRefusal(held: HeldWork | Refusal): held is Refusal {
  return "ok" in held;
}

/** Replaces the work of `job` (as it is in the state now) on one node. */
export function putWork(
  draft: Draft,
  job: JobRecord,
  { node, work }: { readonly node: string; readonly work: JobNode },
): void {
  draft.put("job", job.id, { ...job, nodes: { ...job.nodes, [node]: work } });
}

function holder(node: NodeRecord): string {
  return node.job === null ? "nobody does" : `job "${node.job}" does`;
}
