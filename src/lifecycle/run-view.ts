/** What a node is doing in a job right now, in words for displays and `muster why`. */
import { type JobNode, type JobRecord } from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { blockedBy } from "../inventory/job-nodes.ts";
import { stepOf } from "./node-work.ts";

/** `web/configure` while a run is on, the step it ended with afterwards; null before the first. */
export function currentStep(node: JobNode): string | null {
  if (node.current !== null) return stepOf(node.current);
  if (node.step !== null || node.status !== "running") return node.step;
  const last = node.runs.at(-1);
  return last === undefined ? null : stepOf(last);
}

export interface Waiting {
  /** What it waits for, as a sentence. */
  readonly reason: string;
  /** Wall time when something happens by itself, or null. */
  readonly until: number | null;
}

/** Why nothing moves at this node of an active job; null when its run is on. */
export function waitingFor(view: InventoryView, job: JobRecord, name: string): Waiting | null {
  const node = job.nodes[name];
  if (node === undefined || (node.status !== "pending" && node.status !== "running")) return null;
  const reachability = view.node(name)?.reachability ?? "forgotten";
  if (node.current !== null) {
    if (reachability === "reachable") return null;
    const until = node.current.begunAt + node.current.timeoutMs;
    return { reason: `${stepOf(node.current)} runs on a node that is ${reachability}`, until };
  }
  if (node.status === "running") {
    return reachability === "reachable"
      ? { reason: "its next step is being planned", until: null }
      : { reason: `its next step waits: the node is ${reachability}`, until: null };
  }
  return { reason: pendingReason(view, job, node), until: null };
}

function pendingReason(view: InventoryView, job: JobRecord, node: JobNode): string {
  if (job.cancelRequested) return "the job is being cancelled";
  const blockers = blockedBy(view, job);
  if (blockers.length > 0) return `the job waits for ${blockers.join(", ")}`;
  if (job.status === "queued") return "the job is about to start";
  if (job.status === "paused") return "the job is paused; resume it to go on";
  return `wave ${node.wave + 1} of ${job.waves.length} begins when the former waves ended`;
}
