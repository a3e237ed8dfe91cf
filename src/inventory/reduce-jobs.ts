/**
 * Jobs as a whole: made, started, paused, resumed, cancelled, retried, finished. A job takes all its nodes at
 * once or waits for all of them, in the order of ids, so that two jobs can never wait for each other.
 */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import {
  type Handlers,
  type Outcome,
  type Refusal,
  done,
  invalid,
  notFound,
  refuse,
  versionRefusal,
} from "./outcome.ts";
import { type JobRecord, type JobStatus } from "./records.ts";
import { blockers, claims } from "./job-nodes.ts";
import { finishJob } from "./job-end.ts";
import { isActive } from "./state.ts";
import { jobProblem, newJob } from "./job-create.ts";
import { limits } from "./limits.ts";
import { retryJob } from "./job-retry.ts";
import { updateNode } from "./node-changes.ts";

export const jobHandlers: Handlers<
  Extract<
    CommandType,
    | "job.create"
    | "job.start"
    | "job.finish"
    | "job.cancel"
    | "job.pause"
    | "job.resume"
    | "job.retry"
  >
> = {
  "job.create": createJob,
  "job.start": startJob,
  "job.finish": (draft, command) =>
    withJob(draft, command, (job) => finishJob(draft, job, command)),
  "job.cancel": (draft, command) => withJob(draft, command, (job) => cancelJob(draft, job)),
  "job.pause": (draft, command) => withJob(draft, command, (job) => pauseJob(draft, job)),
  "job.resume": (draft, command) => withJob(draft, command, (job) => resumeJob(draft, job)),
  "job.retry": (draft, command) =>
    withJob(draft, command, (job) => retryJob(draft, job, takeNodes)),
};

function withJob(
  draft: Draft,
  command: { readonly job: string; readonly ifVersion?: number },
  handle: (job: JobRecord) => Outcome,
): Outcome {
  const job = draft.view.job(command.job);
  if (job === null) return notFound("job", command.job);
  const stale = versionRefusal(`job "${job.id}"`, command.ifVersion, job.version);
  return stale ?? handle(job);
}

function createJob(draft: Draft, command: CommandOf<"job.create">): Outcome {
  const { id, targets, action } = command;
  if (draft.view.job(id) !== null) {
    return refuse("ALREADY_EXISTS", `There is already a job "${id}"`);
  }
  const problem = jobProblem(command);
  if (problem !== null) return invalid(`create job "${id}"`, problem);
  if (draft.view.activeJobs().length >= limits.activeJobs) {
    return refuse("LIMIT", `${limits.activeJobs} jobs are active already; wait or cancel some`);
  }
  const missing = targets.filter((name) => draft.view.node(name) === null);
  if (missing.length > 0) {
    return refuse("NOT_FOUND", `There is no node "${missing.join('", "')}"`, { nodes: missing });
  }
  if (command.revision !== null && draft.view.revision(command.revision) === null) {
    return refuse("NOT_FOUND", `There is no revision "${command.revision}"`, {
      revision: command.revision,
    });
  }
  const job = newJob(command, { at: draft.at, by: draft.by });
  draft.put("job", id, job);
  draft.emit("job.created", `job/${id}`, `Job "${id}": ${action} ${targets.length} node(s)`, {
    action,
    targets,
    reason: job.reason,
  });
  return takeNodes(draft, id);
}

/** Starts a queued job if its nodes are free, else leaves it waiting. Answers its status either way. */
function takeNodes(draft: Draft, id: string): Outcome {
  const job = draft.view.job(id);
  if (job === null) return notFound("job", id);
  const blockedBy = blockers(draft.view, job);
  if (blockedBy.length === 0) start(draft, job);
  const status: JobStatus = blockedBy.length === 0 ? "running" : "queued";
  return done({ id, status, blockedBy, version: draft.index });
}

function startJob(draft: Draft, command: CommandOf<"job.start">): Outcome {
  const job = draft.view.job(command.job);
  if (job === null) return notFound("job", command.job);
  if (job.status !== "queued") return wrongStatus(job, "start", "queued");
  const blockedBy = blockers(draft.view, job);
  if (blockedBy.length > 0) {
    return refuse(
      "NODE_HELD",
      `Cannot start job "${job.id}": it waits for job "${blockedBy.join('", "')}"`,
      { blockedBy },
    );
  }
  start(draft, job);
  return done({ id: job.id, status: "running" });
}

function start(draft: Draft, job: JobRecord): void {
  for (const name of claims(job)) updateNode(draft, name, { job: job.id });
  const startedAt = job.startedAt ?? draft.at;
  draft.put("job", job.id, { ...job, status: "running", startedAt });
  draft.emit("job.started", `job/${job.id}`, `Job "${job.id}" started`);
}

/** A waiting job is over at once; a working one is told to stop, and its controller ends it. */
function cancelJob(draft: Draft, job: JobRecord): Outcome {
  if (!isActive(job)) return wrongStatus(job, "cancel", "queued, running or paused");
  if (job.status === "queued") {
    return finishJob(draft, job, { status: "cancelled" });
  }
  if (!job.cancelRequested) {
    draft.put("job", job.id, { ...job, status: "running", cancelRequested: true });
    draft.emit("job.cancelling", `job/${job.id}`, `Job "${job.id}" is being cancelled`);
  }
  return done({ id: job.id, status: "running" });
}

function pauseJob(draft: Draft, job: JobRecord): Outcome {
  if (job.status === "paused") return done({ id: job.id, status: "paused" });
  if (job.status !== "running" || job.cancelRequested) return wrongStatus(job, "pause", "running");
  draft.put("job", job.id, { ...job, status: "paused" });
  draft.emit("job.paused", `job/${job.id}`, `Job "${job.id}" paused: no new node begins`);
  return done({ id: job.id, status: "paused" });
}

function resumeJob(draft: Draft, job: JobRecord): Outcome {
  if (job.status !== "paused") return wrongStatus(job, "resume", "paused");
  draft.put("job", job.id, { ...job, status: "running", resumedAt: draft.at });
  draft.emit("job.resumed", `job/${job.id}`, `Job "${job.id}" resumed`);
  return done({ id: job.id, status: "running" });
}

function wrongStatus(job: JobRecord, verb: string, wanted: string): Refusal {
  const status = job.cancelRequested && isActive(job) ? "being cancelled" : job.status;
  return refuse("ILLEGAL_MOVE", `Cannot ${verb} job "${job.id}": it is ${status}, not ${wanted}`, {
    status: job.status,
  });
}
