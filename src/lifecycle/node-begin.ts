/**
 * The moment a node's turn comes: everything the precheck saw may have changed since, so it is
 * looked at again. The answer is one command: the work begins, or it ends before it began, with the
 * reason.
 */
import { type Command } from "../inventory/commands.ts";
import { type JobRecord, type NodeRecord } from "../inventory/records.ts";
import { nodeVersion } from "../inventory/node-version.ts";
import { canBegin, illegalBegin, passingPhase } from "../inventory/transitions.ts";
import { type InventoryView } from "../inventory/view.ts";
import { jobRoles } from "./job-roles.ts";
import { finish } from "./node-step.ts";

export function planNodeBegin(view: InventoryView, job: JobRecord, node: NodeRecord): Command {
  const { name } = node;
  const obstacle = obstacleOf(job, node);
  if (obstacle !== null) return failed(job, name, obstacle);
  const roles = jobRoles(view, job, node);
  if (!roles.ok) {
    return failed(job, name, roles.problems.map((problem) => problem.message).join("; "));
  }
  const assigned = view.spec(name).roles;
  if (job.action === "commission" && job.roles?.some((role) => !assigned.includes(role)) === true) {
    // Roles that a commission names are the node's from now on: its peers see it as a member.
    const ifVersion = nodeVersion(view, name);
    return { type: "node.patch", node: name, roles: [...assigned, ...job.roles], ifVersion };
  }
  return {
    type: "job.node.begin",
    job: job.id,
    node: name,
    phase: passingPhase(job.action),
    roles: roles.roles,
  };
}

function obstacleOf(job: JobRecord, node: NodeRecord): string | null {
  if (!canBegin(job.action, node.phase)) return illegalBegin(job.action, node.name, node.phase);
  const mayBeAway = job.action === "decommission" && job.force;
  if (node.reachability === "reachable" || mayBeAway) return null;
  return `node "${node.name}" is ${node.reachability}`;
}

function failed(job: JobRecord, name: string, message: string): Command {
  return finish(job, name, {
    status: "failed",
    phase: null,
    step: null,
    exitCode: null,
    message,
    revision: undefined,
    appliedRoles: null,
    condition: null,
  });
}
