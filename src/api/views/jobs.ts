/** Jobs as the API shows them, and how the ids that people type are resolved. */
import { rfc3339 } from "../../base/clock.ts";
import { blockedBy } from "../../inventory/job-nodes.ts";
import { type JobNode as JobNodeRecord, type JobRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type Job, type JobNode } from "../contract/jobs.ts";
import { ApiError } from "../problems.ts";

export function toJob(view: InventoryView, job: JobRecord): Job {
  const { id, action, reason, createdBy, status, strategy, revision, targets, waves } = job;
  return {
    id,
    action,
    reason,
    createdBy,
    createdAt: rfc3339(job.createdAt),
    startedAt: orNull(job.startedAt),
    endedAt: orNull(job.endedAt),
    status,
    strategy,
    revision,
    targets,
    waves,
    nodes: Object.fromEntries(
      Object.entries(job.nodes).map(([name, node]) => [name, toJobNode(node)]),
    ),
    blockedBy: blockedBy(view, job),
    version: job.version,
  };
}

function toJobNode({
  status,
  step,
  exitCode,
  startedAt,
  endedAt,
  message,
}: JobNodeRecord): JobNode {
  return {
    status,
    step,
    exitCode,
    startedAt: orNull(startedAt),
    endedAt: orNull(endedAt),
    message,
  };
}

/** Jobs that hold one of these nodes now. */
export function holdersOf(view: InventoryView, nodes: readonly string[]): readonly string[] {
  const holders = nodes.flatMap((name) => view.node(name)?.job ?? []);
  return [...new Set(holders)].sort();
}

const mostMatches = 10;

/**
 * The job that `text` means: an id, a prefix that only one id has, `active` (the one that is not ended) or `last`.
 * @throws ApiError NOT_FOUND, AMBIGUOUS.
 */
export function findJob(view: InventoryView, text: string): JobRecord {
  const exact = view.job(text);
  if (exact !== null) return exact;
  if (text === "last") {
    return view.jobs().at(-1) ?? missing("There is no job yet");
  }
  if (text === "active") return single(view.activeJobs(), "No job is active", "active jobs");
  const matches = text.length < 3 ? [] : view.jobs().filter(({ id }) => id.startsWith(text));
  return single(matches, `There is no job "${text}"`, `jobs that begin with "${text}"`);
}

function single(jobs: readonly JobRecord[], none: string, several: string): JobRecord {
  const [job, ...others] = jobs;
  if (job === undefined) return missing(none);
  if (others.length === 0) return job;
  const matches = jobs.slice(-mostMatches).map(({ id }) => id);
  throw new ApiError("AMBIGUOUS", `There are ${jobs.length} ${several}: ${matches.join(", ")}`, {
    matches,
  });
}

function missing(message: string): never {
  throw new ApiError("NOT_FOUND", message);
}

function orNull(at: number | null): string | null {
  return at === null ? null : rfc3339(at);
}
