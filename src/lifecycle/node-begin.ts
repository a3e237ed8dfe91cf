/**
 * The moment a node's turn comes: everything the precheck saw may have changed since, so it is
 * looked at again. The answer is one command: the work begins, or it ends before it began, with the
 * reason.
 */
import { type Command } from "../inventory/commands.ts";
import { limits } from "../inventory/limits.ts";
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
  const before = view.spec(name).roles;
  const assigned = new Set([...before, ...(job.action === "commission" ? (job.roles ?? []) : [])]);
  const excess = tooMany(assigned.size, roles.roles.length);
  if (excess !== null) return failed(job, name, excess);
  if (assigned.size > before.length) {
    // Roles that a commission names are the node's from now on: its peers see it as a member.
    const ifVersion = nodeVersion(view, name);
    return { type: "node.patch", node: name, roles: [...assigned], ifVersion };
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
  if (!canBegin(job.action, node.phase, job.force))
    return illegalBegin(job.action, node.name, node.phase);
  const mayBeAway = job.action === "decommission" && job.force;
  if (node.reachability === "reachable" || mayBeAway) return null;
  return `node "${node.name}" is ${node.reachability}`;
}

/** What the inventory would refuse, again and again: then the work is over before it began. */
function tooMany(assigned: number, worked: number): string | null {
  const most = limits.rolesPerNode;
  if (assigned > most) return `${assigned} roles would be assigned to the node; at most ${most}`;
  if (worked > 2 * most) return `${worked} roles with all they require; at most ${2 * most}`;
  return null;
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
