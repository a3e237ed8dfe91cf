/** Jobs: create (or plan), list, show, and the verbs that steer them. */
import { isJsonObject, type Json } from "../../base/json.ts";
import { type JobRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type JobProblem, type PlannedJob, planJobRequest } from "../../lifecycle/job-request.ts";
import { type ApiContext } from "../context.ts";
import { type Job, type JobPlan } from "../contract/jobs.ts";
import { type QueryOf } from "../contract/routes.ts";
import { type ApiRequest, expectation, type Handlers, type Reply, write } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { findJob, holdersOf, toJob } from "../views/jobs.ts";
import { refuseMasked, secretNames } from "../views/secrets.ts";
import { descending, pageOf } from "./paging.ts";

type JobRoutes =
  | "createJob"
  | "listJobs"
  | "getJob"
  | "cancelJob"
  | "pauseJob"
  | "resumeJob"
  | "retryJob";
type JobVerb = "job.cancel" | "job.pause" | "job.resume" | "job.retry";
type Planned = Extract<PlannedJob, { readonly ok: true }>;

const barrierTimeoutMs = 5000;

export const jobHandlers: Handlers<JobRoutes> = {
  createJob: async (request, context) => {
    const { body } = request;
    if (body.vars !== undefined) refuseMasked(body.vars, secretNames(context.view));
    const id = context.newId();
    const planned = planJobRequest(context.view, body, { id });
    if (body.dryRun === true && planned.ok) {
      return { value: toPlan(context.view, planned), status: 200 };
    }
    if (!planned.ok) {
      const before = await madeBefore(request, context);
      if (before !== null) return jobReply(context.view, before);
      throw precheckError(planned.code, planned.problems);
    }
    const { value } = await write(context, request, planned.command);
    return jobReply(context.view, idIn(value) ?? id);
  },

  listJobs: ({ query }, { view }) => {
    const jobs = matchingJobs(view, query).toReversed();
    const page = pageOf(jobs, query, { key: ({ id }) => id, after: descending });
    return { value: { items: page.items.map((job) => toJob(view, job)), next: page.next } };
  },

  getJob: ({ params }, { view }) => jobReply(view, findJob(view, params.id).id),

  cancelJob: (request, context) => steer("job.cancel", request, context),
  pauseJob: (request, context) => steer("job.pause", request, context),
  resumeJob: (request, context) => steer("job.resume", request, context),
  retryJob: (request, context) => steer("job.retry", request, context),
};

/**
 * The job that this very request (by its Idempotency-Key) made before. Asked when prechecks fail, as they do on a
 * repetition for the very reason that the first one worked.
 */
async function madeBefore(
  { idempotency }: ApiRequest<"createJob">,
  context: ApiContext,
): Promise<string | null> {
  if (idempotency === null) return null;
  const { view } = context;
  if (view.remembered(idempotency.key) === null) await context.readBarrier(barrierTimeoutMs);
  const answer = view.remembered(idempotency.key);
  if (answer?.digest !== idempotency.digest || !answer.result.ok) return null;
  return idIn(answer.result.value);
}

function idIn(value: Json): string | null {
  if (!isJsonObject(value)) return null;
  const { id } = value;
  return typeof id === "string" ? id : null;
}

type VerbRequest = ApiRequest<"cancelJob" | "pauseJob" | "resumeJob" | "retryJob">;

async function steer(
  type: JobVerb,
  request: VerbRequest,
  context: ApiContext,
): Promise<Reply<Job>> {
  const job = findJob(context.view, request.params.id).id;
  await write(context, request, { type, job, ...expectation(request) });
  return jobReply(context.view, job);
}

function matchingJobs(view: InventoryView, query: QueryOf<"listJobs">): readonly JobRecord[] {
  const { status, action, node } = query;
  return view
    .jobs()
    .filter(
      (job) =>
        (status === undefined || job.status === status) &&
        (action === undefined || job.action === action) &&
        (node === undefined || job.targets.includes(node)),
    );
}

function jobReply(view: InventoryView, id: string): Reply<Job> {
  const job = view.job(id);
  if (job === null) throw new ApiError("NOT_FOUND", `There is no job "${id}"`, { job: id });
  return { value: toJob(view, job), version: job.version };
}

function toPlan(view: InventoryView, { command, plan, warnings }: Planned): JobPlan {
  const { action, strategy, revision, targets, waves } = command;
  return {
    dryRun: true,
    action,
    strategy,
    revision,
    targets,
    waves,
    nodes: Object.fromEntries(
      plan.map(({ node, wave, roles, actions }) => [node, { wave, roles, actions }]),
    ),
    blockedBy: holdersOf(view, targets),
    warnings,
  };
}

/** What is wrong with the request itself; the rest is about nodes and their state. */
const malformed = ["INVALID_REQUEST", "EMPTY_SELECTOR", "INVALID_SELECTOR"] as const;

/** Everything that stands against the job, at once; nothing has changed. `details.code`: what all share. */
function precheckError(code: string, problems: readonly JobProblem[]): ApiError {
  const [first] = problems;
  const others = problems.length - 1;
  const more = others > 0 ? ` (and ${others} more)` : "";
  const detail = `The job was not created: ${first?.message ?? code}${more}`;
  const ofRequest = malformed.find((known) => known === code);
  return new ApiError(ofRequest ?? "PRECHECK_FAILED", detail, {
    ...(code === "PRECHECK_FAILED" || ofRequest !== undefined ? {} : { code }),
    problems: problems.map(({ node, code: entry, message }) => ({
      ...(node === null ? {} : { node }),
      code: entry,
      message,
    })),
  });
}
