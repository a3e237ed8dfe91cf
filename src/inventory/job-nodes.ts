/** Questions about a job's nodes that the reducer and planners share. Pure. */
import { type JobNode, type JobRecord, type RunRef } from "./records.ts";
import { type InventoryView } from "./view.ts";

/** The work of `job` on `node`, null when it is none of its targets. */
export function jobNode(job: JobRecord, node: string): JobNode | null {
  return Object.hasOwn(job.nodes, node) ? (job.nodes[node] ?? null) : null;
}

export function isEnded(work: JobNode): boolean {
  return work.status !== "pending" && work.status !== "running";
}

/** Nodes that `job` still has to work on: those it holds or wants to hold. */
export function claims(job: JobRecord): readonly string[] {
  return job.targets.filter((name) => {
    const work = jobNode(job, name);
    return work !== null && !isEnded(work);
  });
}

/**
 * Jobs that a queued job waits for, in the order of their ids: those that hold one of its nodes, and queued
 * ones that came before it and want one of them. Empty for a job that is not queued, or may start.
 */
export function blockedBy(view: InventoryView, job: JobRecord): readonly string[] {
  return job.status === "queued" ? blockers(view, job) : [];
}

/** What would keep `job` from taking its nodes now, whatever its status. */
export function blockers(view: InventoryView, job: JobRecord): readonly string[] {
  const wanted = new Set(claims(job));
  const blocking = new Set<string>();
  for (const name of wanted) {
    const holder = view.node(name)?.job ?? null;
    if (holder !== null && holder !== job.id) blocking.add(holder);
  }
  for (const other of view.activeJobs()) {
    if (other.status !== "queued" || other.id >= job.id) continue;
    if (claims(other).some((name) => wanted.has(name))) blocking.add(other.id);
  }
  return [...blocking].sort();
}

/** The name of a run for ever. */
export function runId(job: string, node: string, run: Omit<RunRef, "id">): string {
  return `${job}/${node}/${run.role}/${run.action}/${run.attempt}`;
}
