/** What stands against a job at one node before it is made, and what its operator should know. */
import { type JobRecord, type NodeRecord } from "../inventory/records.ts";
import { canBegin, illegalBegin } from "../inventory/transitions.ts";
import { type InventoryView } from "../inventory/view.ts";
import { claims } from "../inventory/job-nodes.ts";
import { type RoleChoice, jobRoles } from "./job-roles.ts";

export interface Precheck {
  readonly problems: readonly { readonly code: string; readonly message: string }[];
  readonly warnings: readonly string[];
  /** Another job works on the node first: what is there now says little. */
  readonly isHeld: boolean;
}

type Problem = Precheck["problems"][number];

export function precheckNode(view: InventoryView, choice: RoleChoice, node: NodeRecord): Precheck {
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const holder = holderOf(view, node);
  const isHeld = holder !== null;
  if (holder !== null) {
    const text = `node "${node.name}" waits for job ${holder.id} (${holder.action})`;
    warnings.push(`${text}; it is checked again when its turn comes`);
  } else if (!canBegin(choice.action, node.phase, choice.force)) {
    const message = illegalBegin(choice.action, node.name, node.phase);
    const illegal = { code: "ILLEGAL_MOVE", message };
    return { problems: [illegal, ...awayProblems(choice, node)], warnings, isHeld };
  }
  problems.push(...awayProblems(choice, node));
  if (node.reachability !== "reachable" && problems.length === 0) {
    warnings.push(`node "${node.name}" is ${node.reachability}: nothing will be cleaned up on it`);
  }
  problems.push(...roleProblems(view, choice, { node, isHeld }));
  return { problems, warnings, isHeld };
}

/** The first job that works on the node, or is queued to. */
function holderOf(view: InventoryView, node: NodeRecord): JobRecord | null {
  if (node.job !== null) return view.job(node.job);
  return view.activeJobs().find((job) => claims(job).includes(node.name)) ?? null;
}

function awayProblems(choice: RoleChoice, node: NodeRecord): readonly Problem[] {
  if (node.reachability === "reachable") return [];
  const mayForce = choice.action === "decommission";
  if (mayForce && choice.force) return [];
  const hint = mayForce
    ? "use --force to decommission it without a clean-up"
    : "wait for it, or decommission it with --force";
  const message = `node "${node.name}" is ${node.reachability}; ${hint}`;
  return [{ code: "NODE_NOT_REACHABLE", message }];
}

/** On a node that another job changes first, only what that job cannot change is judged. */
function roleProblems(
  view: InventoryView,
  choice: RoleChoice,
  at: { readonly node: NodeRecord; readonly isHeld: boolean },
): readonly Problem[] {
  const pushes = choice.action === "commission" || choice.action === "upgrade";
  if (pushes && choice.revision === null) return [];
  const roles = jobRoles(view, choice, at.node);
  if (!roles.ok) {
    return roles.problems.filter(({ code }) => !at.isHeld || code === "ROLE_UNKNOWN");
  }
  if (pushes) return missingActions(view, choice, roles.roles);
  const isEmpty = choice.action === "verify" && roles.roles.length === 0;
  if (!isEmpty || at.isHeld) return [];
  const message = `node "${at.node.name}" has no configuration to verify; commission it first`;
  return [{ code: "NOTHING_APPLIED", message }];
}

function missingActions(
  view: InventoryView,
  choice: RoleChoice,
  roles: readonly string[],
): readonly Problem[] {
  const manifest = choice.revision === null ? null : view.revision(choice.revision)?.manifest;
  return roles
    .filter((role) => {
      const actions = manifest?.roles[role]?.actions;
      return actions?.configure === undefined && actions?.upgrade === undefined;
    })
    .map((role) => ({
      code: "ACTION_MISSING",
      message: `role "${role}" has no configure action at the revision in force`,
    }));
}
