/** A new job from the command that asks for it: checks that need no state, and the record. Pure. */
import { type CommandOf } from "./command-shapes.ts";
import { type JobNode, type JobRecord, type Strategy } from "./records.ts";
import { checkName, checkNames, checkText, checkVars, firstProblem } from "./names.ts";
import { limits } from "./limits.ts";

type Create = CommandOf<"job.create">;

export function jobProblem(command: Create): string | null {
  const { id, targets, roles, vars, reason } = command;
  return (
    checkName("job", id) ??
    (targets.length === 0 ? "it has no nodes" : null) ??
    checkNames("node", targets, limits.jobTargets) ??
    checkNames("role", roles ?? [], limits.rolesPerNode) ??
    checkVars("vars", vars) ??
    checkText("reason", reason, limits.textLength) ??
    strategyProblem(command.strategy) ??
    wavesProblem(command)
  );
}

function strategyProblem({ batch, canary, maxFailures }: Strategy): string | null {
  if (!isAmount(batch))
    return `batch ${JSON.stringify(batch)} is no number above 0 or percent text`;
  if (canary !== null && !isAmount(canary)) {
    return `canary ${JSON.stringify(canary)} is no number above 0 or percent text`;
  }
  return maxFailures <= limits.jobTargets ? null : `maxFailures ${maxFailures} is too large`;
}

function isAmount(value: number | string): boolean {
  if (typeof value === "number") return value >= 1 && value <= limits.jobTargets;
  const percent = /^(\d{1,3})%$/.exec(value)?.[1];
  return percent !== undefined && Number(percent) >= 1 && Number(percent) <= 100;
}

/** A job's record in itself: its waves are its targets, and there is work for each of them and no other node. */
export function jobLayoutProblem(job: JobRecord): string | null {
  const { targets, nodes } = job;
  const working = Object.keys(nodes);
  return (
    checkNames("node", targets, limits.jobTargets) ??
    wavesProblem(job) ??
    (working.length === targets.length && targets.every((name) => Object.hasOwn(nodes, name))
      ? null
      : "its nodes are not its targets") ??
    firstProblem(Object.values(nodes), (work) => workProblem(job, work))
  );
}

function workProblem(job: JobRecord, { status, current }: JobNode): string | null {
  if (current !== null && status !== "running")
    return `a run is under way on a node that is ${status}`;
  const isOpen = status === "pending" || status === "running";
  if (isOpen && job.endedAt !== null) return `it has ended, but a node is ${status}`;
  return job.status === "queued" && status === "running"
    ? "it is queued, but a node is running"
    : null;
}

/** Waves are the targets, each once: a node in no wave would never be worked on. */
function wavesProblem({ targets, waves }: Pick<Create, "targets" | "waves">): string | null {
  const wanted = new Set(targets);
  if (wanted.size !== targets.length) return "a node is named twice";
  const planned = new Set<string>();
  for (const name of waves.flat()) {
    if (!wanted.has(name)) return `wave has node "${name}", which is no target`;
    if (planned.has(name)) return `node "${name}" is in two waves`;
    planned.add(name);
  }
  const left = targets.find((name) => !planned.has(name));
  return left === undefined ? null : `node "${left}" is in no wave`;
}

/** The record of a job that waits for its nodes. */
export function newJob(
  command: Create,
  made: { readonly at: number; readonly by: string },
): Omit<JobRecord, "version"> {
  const { id, action, targets, roles, vars, strategy, waves, revision, force, reason } = command;
  const { batch, canary, maxFailures, onFailure } = strategy;
  const nodes: Record<string, JobNode> = {};
  waves.forEach((wave, number) => {
    for (const name of wave) nodes[name] = pending(number);
  });
  return {
    id,
    action,
    reason,
    createdBy: made.by,
    createdAt: made.at,
    startedAt: null,
    endedAt: null,
    status: "queued",
    strategy: { batch, canary, maxFailures, onFailure },
    revision,
    force,
    roles,
    vars,
    targets,
    waves,
    nodes,
    cancelRequested: false,
    resumedAt: null,
  };
}

function pending(wave: number): JobNode {
  return {
    status: "pending",
    wave,
    roles: [],
    fromPhase: null,
    current: null,
    runs: [],
    attempt: 1,
    step: null,
    exitCode: null,
    startedAt: null,
    endedAt: null,
    message: "",
  };
}
