/** Jobs: long-running operations on a frozen set of nodes, and the log lines of their runs. */
import { Type } from "typebox";
import { jobActions } from "../../inventory/records.ts";
import {
  closed,
  name,
  nullableInteger,
  nullableString,
  nullableTime,
  page,
  time,
  variables,
  version,
  type Wire,
} from "./wire.ts";

export const jobStatuses = [
  "queued",
  "running",
  "paused",
  "succeeded",
  "failed",
  "cancelled",
  "rolled-back",
] as const;
export const jobNodeStatuses = [
  "pending",
  "running",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
  "rolled-back",
  "lost",
] as const;

const amount = Type.Union([Type.Integer({ minimum: 1 }), Type.String({ maxLength: 16 })], {
  description: "a number of nodes, or a percent of the targets: 5, 25%",
});

export const strategySchema = Type.Object({
  batch: amount,
  canary: Type.Union([amount, Type.Null()]),
  maxFailures: Type.Integer({ minimum: 0 }),
  onFailure: Type.Enum(["continue", "pause"]),
});
/** Given fields replace those of the default: all at once, no canary, `onFailure: continue`. */
export const strategyRequest = Type.Partial(strategySchema, closed);

const actionSchema = Type.Enum([...jobActions]);

export const createJobRequest = Type.Object(
  {
    action: actionSchema,
    nodes: Type.Optional(Type.Array(name, { maxItems: 10_000 })),
    selector: Type.Optional(Type.String({ maxLength: 4096 })),
    all: Type.Optional(Type.Boolean()),
    roles: Type.Optional(Type.Array(name, { maxItems: 64, uniqueItems: true })),
    vars: Type.Optional(variables),
    strategy: Type.Optional(strategyRequest),
    dryRun: Type.Optional(Type.Boolean()),
    force: Type.Optional(Type.Boolean()),
    reason: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  closed,
);
export type CreateJobRequest = Wire<typeof createJobRequest>;

export const jobNodeSchema = Type.Object({
  status: Type.Enum([...jobNodeStatuses]),
  step: nullableString,
  exitCode: nullableInteger,
  startedAt: nullableTime,
  endedAt: nullableTime,
  message: Type.String(),
});
export type JobNode = Wire<typeof jobNodeSchema>;

export const jobSchema = Type.Object({
  id: Type.String(),
  action: actionSchema,
  reason: Type.String(),
  createdBy: Type.String(),
  createdAt: time,
  startedAt: nullableTime,
  endedAt: nullableTime,
  status: Type.Enum([...jobStatuses]),
  strategy: strategySchema,
  revision: nullableString,
  targets: Type.Array(Type.String()),
  waves: Type.Array(Type.Array(Type.String())),
  nodes: Type.Record(Type.String(), jobNodeSchema),
  blockedBy: Type.Array(Type.String(), {
    description: "ids of the jobs that hold nodes a queued job waits for",
  }),
  version,
});
export type Job = Wire<typeof jobSchema>;
export const jobsSchema = page(jobSchema);

/** What a job would do: the answer to `dryRun: true`, which changes nothing. */
export const jobPlanSchema = Type.Object({
  dryRun: Type.Literal(true),
  action: actionSchema,
  strategy: strategySchema,
  revision: nullableString,
  targets: Type.Array(Type.String()),
  waves: Type.Array(Type.Array(Type.String())),
  nodes: Type.Record(
    Type.String(),
    Type.Object({
      wave: Type.Integer(),
      roles: Type.Array(Type.String()),
      actions: Type.Array(Type.Object({ role: Type.String(), action: Type.String() })),
    }),
  ),
  blockedBy: Type.Array(Type.String()),
  warnings: Type.Array(Type.String()),
});
export type JobPlan = Wire<typeof jobPlanSchema>;

export const listJobsQuery = Type.Object(
  {
    status: Type.Optional(Type.Enum([...jobStatuses])),
    action: Type.Optional(actionSchema),
    node: Type.Optional(name),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
  },
  closed,
);

const sinceText = Type.String({ minLength: 1, maxLength: 8192 });

export const jobLogsQuery = Type.Object(
  {
    node: Type.Optional(name),
    follow: Type.Optional(Type.Boolean()),
    since: Type.Optional(sinceText),
  },
  closed,
);

/** One whole line as the terminal got it; `offset` is its first byte in the transcript of `run`. */
export const logLineSchema = Type.Object({
  node: Type.String(),
  run: Type.String(),
  offset: Type.Integer(),
  time,
  text: Type.String(),
  notice: Type.Optional(
    Type.Literal(true, { description: "said by Muster itself: why lines are missing" }),
  ),
});
export type LogLine = Wire<typeof logLineSchema>;
