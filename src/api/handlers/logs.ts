/** The log lines of a job as a stream. */
import { type JobRecord } from "../../inventory/records.ts";
import { type ApiContext } from "../context.ts";
import { type ApiRequest, type Handlers } from "../handler.ts";
import { decodeLogCursor, type NodePosition, start } from "../logs/cursor.ts";
import { JobLog } from "../logs/job-log.ts";
import { ApiError } from "../problems.ts";
import { parseSinceTime } from "../since.ts";
import { findJob } from "../views/jobs.ts";

export const logHandlers: Handlers<"getJobLogs"> = {
  getJobLogs: (request, context) => {
    const { query, signal } = request;
    const job = findJob(context.view, request.params.id);
    const node = query.node ?? null;
    if (node !== null && !job.targets.includes(node)) {
      const message = `Node "${node}" is no target of job ${job.id}`;
      throw new ApiError("NOT_FOUND", message, { node, job: job.id });
    }
    const from = beginning(request, context, job);
    const follow = query.follow === true;
    return new JobLog({ job, node, ...from, follow, signal }, context).lines();
  },
};

interface Beginning {
  readonly from: readonly NodePosition[];
  readonly notBefore: number;
}

function beginning(
  { query, lastEventId }: ApiRequest<"getJobLogs">,
  { clock }: ApiContext,
  { id, targets }: JobRecord,
): Beginning {
  const text = lastEventId ?? query.since;
  const whole = targets.map(() => start);
  if (text === undefined) return { from: whole, notBefore: 0 };
  const from = decodeLogCursor(text, targets.length);
  if (from !== null) return { from, notBefore: 0 };
  const at = parseSinceTime(text, clock.wallMs());
  if (at !== null) return { from: whole, notBefore: at };
  const message = `"${text.slice(0, 80)}" is no place in the log of job ${id}: give the id of a line, an RFC 3339 time, or a duration such as 10m`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "since", message }] });
}
