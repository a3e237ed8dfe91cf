/**
 * Which roles a job works on at one node, dependencies first. Commission and upgrade take the
 * assigned roles (or those named) with all they require, as the job's revision defines them;
 * verify, clean-up and decommission take what is on the node, or what is named of it.
 */
import { isAgentError } from "../base/errors.ts";
import { type JobAction, type Manifest, type NodeRecord } from "../inventory/records.ts";
import { effectiveRoles } from "../inventory/roles.ts";
import { type InventoryView } from "../inventory/view.ts";
import { appliedInOrder, recordedSpec } from "./applied-roles.ts";

/** What of a job decides about roles; a request that is only checked has it too. */
export interface RoleChoice {
  readonly action: JobAction;
  readonly roles: readonly string[] | null;
  readonly revision: string | null;
  readonly force: boolean;
}

export interface RoleProblem {
  readonly code:
    | "ROLE_UNKNOWN"
    | "NO_ROLES"
    | "ROLE_NOT_ASSIGNED"
    | "ROLE_NOT_APPLIED"
    | "ROLE_REQUIRED";
  readonly message: string;
}

export type JobRoles =
  | { readonly ok: true; readonly roles: readonly string[] }
  | { readonly ok: false; readonly problems: readonly RoleProblem[] };

export function jobRoles(view: InventoryView, choice: RoleChoice, node: NodeRecord): JobRoles {
  const pushes = choice.action === "commission" || choice.action === "upgrade";
  return pushes ? pushedRoles(view, choice, node) : takenRoles(view, choice, node);
}

function pushedRoles(view: InventoryView, choice: RoleChoice, node: NodeRecord): JobRoles {
  const assigned = view.spec(node.name).roles;
  const named = choice.roles ?? assigned;
  const manifest =
    choice.revision === null ? null : (view.revision(choice.revision)?.manifest ?? null);
  const { order, problems: unknown } = resolveRoles(manifest, named);
  const problems = [...unknown];
  if (choice.action === "upgrade" && choice.roles !== null) {
    const known = new Set([...resolveRoles(manifest, assigned).order, ...node.appliedRoles]);
    const strange = choice.roles.filter((role) => !known.has(role) && order.includes(role));
    problems.push(...strange.map((role) => notAssigned(role, node)));
  }
  const takesAway = choice.action === "upgrade" && node.appliedRoles.length > 0;
  if (named.length === 0 && !takesAway) problems.push(noRoles(choice.action, node));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, roles: order };
}

function takenRoles(view: InventoryView, choice: RoleChoice, node: NodeRecord): JobRoles {
  const present = appliedInOrder(view, node);
  if (choice.roles === null) return { ok: true, roles: present };
  const named = choice.roles;
  const problems: RoleProblem[] = named
    .filter((role) => !present.includes(role))
    .map((role) => notApplied(role, node));
  if (choice.action === "cleanup" && !choice.force) {
    for (const dependent of present.filter((role) => !named.includes(role))) {
      const requires = recordedSpec(view, node, dependent)?.requires ?? [];
      const needed = requires.filter((role) => named.includes(role));
      for (const role of needed) problems.push(stillRequired(role, dependent, node));
    }
  }
  const roles = present.filter((role) => named.includes(role));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, roles };
}

/** `names` with all they require, dependencies first, and what is wrong with any of them. */
export function resolveRoles(
  manifest: Manifest | null,
  names: readonly string[],
): { readonly order: readonly string[]; readonly problems: readonly RoleProblem[] } {
  const fine: string[] = [];
  const problems: RoleProblem[] = [];
  for (const name of new Set(names)) {
    try {
      effectiveRoles(manifest ?? noManifest, [name]);
      fine.push(name);
    } catch (error) {
      if (!isAgentError(error, "ROLE_UNKNOWN", "ROLE_CYCLE")) throw error;
      problems.push({ code: "ROLE_UNKNOWN", message: error.message });
    }
  }
  return { order: effectiveRoles(manifest ?? noManifest, fine), problems };
}

const noManifest: Manifest = { vars: {}, roles: {} };

function noRoles(action: JobAction, node: NodeRecord): RoleProblem {
  const message =
    `node "${node.name}" has no roles: name some with --role, or assign them ` +
    `(muster nodes role) before you ${action} it`;
  return { code: "NO_ROLES", message };
}

function notAssigned(role: string, node: NodeRecord): RoleProblem {
  const message = `role "${role}" is not assigned to node "${node.name}"; assign it first`;
  return { code: "ROLE_NOT_ASSIGNED", message };
}

function notApplied(role: string, node: NodeRecord): RoleProblem {
  const there = node.appliedRoles.join(", ") || "none";
  const message = `role "${role}" is not on node "${node.name}"; there: ${there}`;
  return { code: "ROLE_NOT_APPLIED", message };
}

function stillRequired(role: string, dependent: string, node: NodeRecord): RoleProblem {
  const message =
    `role "${role}" on node "${node.name}" is required by "${dependent}", which stays; ` +
    "name that too, or use --force";
  return { code: "ROLE_REQUIRED", message };
}
