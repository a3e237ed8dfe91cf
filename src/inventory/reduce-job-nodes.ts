/** The work of a job on one node: it begins with a legal move of the node's phase, and ends with one. */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Condition } from "./conditions.ts";
import { type JobNode, type JobRecord, type NodeRecord } from "./records.ts";
import { type Draft } from "./draft.ts";
import { type Handlers, type Outcome, type Refusal, done, invalid, refuse } from "./outcome.ts";
import {
  canBegin,
  canEnd,
  illegalBegin,
  legalActions,
  legalMoves,
  passingPhase,
} from "./transitions.ts";
import { checkNames, checkText, cut } from "./names.ts";
import { conditionOf, movePhase, setCondition, updateNode } from "./node-changes.ts";
import { heldWork, isRefusal, putWork } from "./job-work.ts";
import { limits } from "./limits.ts";
import { rolesChangedMeanwhile } from "./reduce-nodes.ts";

type Begin = CommandOf<"job.node.begin">;
type Finish = CommandOf<"job.node.finish">;

export const jobNodeHandlers: Handlers<Extract<CommandType, "job.node.begin" | "job.node.finish">> =
  {
    "job.node.begin": begin,
    "job.node.finish": finish,
  };

function begin(draft: Draft, command: Begin): Outcome {
  const held = heldWork(draft, command);
  if (isRefusal(held)) return held;
  const { job, node, work } = held;
  const refusal = beginRefusal(command, { job, node, work });
  if (refusal !== null) return refusal;
  putWork(draft, job, {
    node: node.name,
    work: {
      ...work,
      status: "running",
      roles: command.roles,
      fromPhase: node.phase,
      startedAt: draft.at,
      endedAt: null,
    },
  });
  if (command.phase !== null) {
    movePhase(draft, node.name, { to: command.phase, reason: jobText(job), job: job.id });
  }
  draft.emit("job.node.started", `job/${job.id}`, `${job.action} of node "${node.name}" began`, {
    node: node.name,
    roles: command.roles,
  });
  return done({ node: node.name, phase: command.phase ?? node.phase });
}

function beginRefusal(
  command: Begin,
  {
    job,
    node,
    work,
  }: { readonly job: JobRecord; readonly node: NodeRecord; readonly work: JobNode },
): Refusal | null {
  if (job.status !== "running" || job.cancelRequested) {
    const status = job.cancelRequested ? "being cancelled" : job.status;
    return refuse("ILLEGAL_MOVE", `Cannot begin node "${node.name}": job "${job.id}" is ${status}`);
  }
  if (work.status !== "pending") {
    return refuse(
      "ILLEGAL_MOVE",
      `Cannot begin node "${node.name}" in job "${job.id}": it is ${work.status}, not pending`,
      { status: work.status },
    );
  }
  if (!canBegin(job.action, node.phase, job.force)) {
    return refuse("ILLEGAL_MOVE", illegalBegin(job.action, node.name, node.phase), {
      phase: node.phase,
      legal: legalActions(node.phase),
    });
  }
  const passing = passingPhase(job.action);
  if (command.phase !== passing) {
    return refuse(
      "ILLEGAL_MOVE",
      `Cannot ${job.action} node "${node.name}" as ${command.phase ?? "no phase"}: ` +
        `it is ${passing ?? "no phase of its own"}`,
      { phase: node.phase, legal: passing === null ? [] : [passing] },
    );
  }
  const problem = checkNames("role", command.roles, limits.rolesPerNode * 2);
  return problem === null ? null : invalid(`begin node "${node.name}"`, problem);
}

function finish(draft: Draft, command: Finish): Outcome {
  const held = heldWork(draft, command);
  if (isRefusal(held)) return held;
  const { job, node, work } = held;
  const refusal = finishRefusal(draft, command, { job, node, work });
  if (refusal !== null) return refusal;
  const { status, step, exitCode } = command;
  const message = cut(command.message, limits.messageLength);
  putWork(draft, job, {
    node: node.name,
    work: { ...work, status, step, exitCode, message, endedAt: draft.at },
  });
  updateNode(draft, node.name, {
    ...(command.revision === undefined ? {} : { revision: command.revision }),
    ...(command.appliedRoles === null ? {} : { appliedRoles: [...command.appliedRoles] }),
  });
  if (command.phase !== null) {
    const reason = message === "" ? jobText(job) : `${jobText(job)}: ${message}`;
    movePhase(draft, node.name, { to: command.phase, reason: cut(reason, 1024), job: job.id });
  }
  if (command.condition !== null) {
    setCondition(draft, node.name, found(node, command.condition));
  }
  draft.emit("job.node.finished", `job/${job.id}`, `${job.action} of "${node.name}": ${status}`, {
    node: node.name,
    status,
    step,
    exitCode,
    message,
  });
  return done({ node: node.name, status });
}

function finishRefusal(
  draft: Draft,
  command: Finish,
  {
    job,
    node,
    work,
  }: { readonly job: JobRecord; readonly node: NodeRecord; readonly work: JobNode },
): Refusal | null {
  const cannot = `Cannot end the work of job "${job.id}" on node "${node.name}"`;
  const begun = work.status === "running";
  if (!begun && work.status !== "pending") {
    return refuse("ILLEGAL_MOVE", `${cannot}: it is ${work.status} already`, {
      status: work.status,
    });
  }
  if (!begun && (command.status === "succeeded" || command.status === "rolled-back")) {
    return refuse("ILLEGAL_MOVE", `${cannot} as ${command.status}: it has not begun`);
  }
  if (work.current !== null) {
    return refuse("ILLEGAL_MOVE", `${cannot}: run "${work.current.id}" has not ended`, {
      run: work.current.id,
    });
  }
  const to = command.phase ?? node.phase;
  // What never began moves nothing.
  const legal = begun ? canEnd(job.action, node.phase, to) : to === node.phase;
  if (!legal) {
    const moves = begun ? legalMoves(node.phase) : [];
    return refuse(
      "ILLEGAL_MOVE",
      `${cannot} with the node ${to}: it is ${node.phase}; legal: ${moves.join(", ") || "to stay so"}`,
      { phase: node.phase, legal: moves },
    );
  }
  return contentRefusal(draft, command, cannot);
}

function contentRefusal(draft: Draft, command: Finish, cannot: string): Refusal | null {
  const { revision, appliedRoles, condition } = command;
  if (typeof revision === "string" && draft.view.revision(revision) === null) {
    return refuse("NOT_FOUND", `${cannot}: there is no revision "${revision}"`, { revision });
  }
  const problem =
    checkNames("role", appliedRoles ?? [], limits.rolesPerNode * 2) ??
    checkText("reason", condition?.reason ?? "", limits.textLength) ??
    (condition !== null && condition.message.length > limits.messageLength
      ? `message of the condition has more than ${limits.messageLength} characters`
      : null);
  return problem === null ? null : refuse("INVALID", `${cannot}: ${problem}`);
}

/** The job configured the roles it had frozen: that is not what is wanted if they changed since. */
function found(node: NodeRecord, condition: Omit<Condition, "since">): Omit<Condition, "since"> {
  const before = conditionOf(node, "Configured");
  const superseded =
    condition.type === "Configured" &&
    condition.status === "True" &&
    before?.reason === rolesChangedMeanwhile;
  if (!superseded) return condition;
  return { type: "Configured", status: "Unknown", reason: "RolesChanged", message: before.message };
}

function jobText(job: JobRecord): string {
  return job.reason === "" ? job.action : `${job.action} (${job.reason})`;
}
