/**
 * From what an operator asked for to the command that creates the job, or to everything that stands
 * against it: all prechecks run, and all problems are reported together, one entry per bad node. A
 * node that another job holds is no problem: the new job queues behind it. Pure; the controller
 * checks again when a node's turn comes.
 */
import { nearestWord } from "../base/nearest.ts";
import { isAgentError } from "../base/errors.ts";
import { type JsonObject } from "../base/json.ts";
import { jobProblem } from "../inventory/job-create.ts";
import { type JobAction, type NodeRecord, defaultStrategy } from "../inventory/records.ts";
import { parseSelector } from "../inventory/selector-parser.ts";
import { selectNodes } from "../inventory/selector.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type JobCreate, type PlannedNode, previewJob } from "./job-preview.ts";
import { type Precheck, precheckNode } from "./job-precheck.ts";
import { parseStrategy, wavesOf } from "./strategy.ts";

export interface JobRequest {
  readonly action: JobAction;
  readonly nodes?: readonly string[];
  readonly selector?: string;
  readonly all?: boolean;
  readonly roles?: readonly string[];
  readonly vars?: JsonObject;
  readonly strategy?: JsonObject;
  readonly force?: boolean;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

export interface JobProblem {
  /** Null when it concerns the request as a whole. */
  readonly node: string | null;
  readonly code: string;
  readonly message: string;
}

export type PlannedJob =
  | {
      readonly ok: true;
      readonly command: JobCreate;
      readonly plan: readonly PlannedNode[];
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly code: string; readonly problems: readonly JobProblem[] };

/** @param context the id of the new job. */
export function planJobRequest(
  view: InventoryView,
  request: JobRequest,
  context: { readonly id: string },
): PlannedJob {
  const problems: JobProblem[] = [];
  const nodes = selected(view, request, problems);
  const strategy = parseStrategy(request.strategy);
  if (!strategy.ok) {
    for (const { message } of strategy.problems)
      problems.push(general("INVALID_STRATEGY", message));
  }
  const pushes = request.action === "commission" || request.action === "upgrade";
  const revision = pushes ? view.config().current : null;
  if (pushes && revision === null) problems.push(noRevision(view));
  if (request.action === "decommission" && request.roles !== undefined) {
    const message = "decommission takes every role away; to take some, use cleanup with --role";
    problems.push(general("ROLES_NOT_ALLOWED", message));
  }
  const targets = nodes.map((node) => node.name);
  const command: JobCreate = {
    type: "job.create",
    id: context.id,
    action: request.action,
    targets,
    roles: request.roles ?? null,
    vars: request.vars ?? {},
    strategy: strategy.ok ? strategy.strategy : defaultStrategy,
    waves: wavesOf(targets, strategy.ok ? strategy.strategy : defaultStrategy),
    revision,
    force: request.force ?? false,
    reason: request.reason ?? "",
  };
  return checked(view, command, { nodes, problems });
}

function checked(
  view: InventoryView,
  command: JobCreate,
  found: { readonly nodes: readonly NodeRecord[]; readonly problems: readonly JobProblem[] },
): PlannedJob {
  const problems = [...found.problems];
  const prechecks: Precheck[] = [];
  for (const node of found.nodes) {
    const precheck = precheckNode(view, command, node);
    prechecks.push(precheck);
    problems.push(...precheck.problems.map((problem) => ({ node: node.name, ...problem })));
  }
  const shape = problems.length === 0 ? jobProblem(command) : null;
  if (shape !== null) problems.push(general("INVALID_REQUEST", shape));
  if (problems.length > 0) return refused(problems);
  const plan = previewJob(view, command);
  const isCertain = prechecks.every((precheck) => !precheck.isHeld);
  const isIdle = plan.every((node) => node.actions.length === 0);
  if (command.action === "verify" && isCertain && isIdle) {
    const message = "there is nothing to verify: no role on these nodes has a verify action";
    return refused([general("NOTHING_TO_VERIFY", message)]);
  }
  const warnings = prechecks.flatMap((precheck) => precheck.warnings);
  return { ok: true, command, plan, warnings };
}

function selected(
  view: InventoryView,
  request: JobRequest,
  problems: JobProblem[],
): readonly NodeRecord[] {
  const { nodes, selector, all } = request;
  const ways = [nodes !== undefined, selector !== undefined, all === true];
  if (ways.filter(Boolean).length !== 1) {
    const message = ways.some(Boolean)
      ? "name nodes, or give a selector, or say all: only one of them"
      : "no nodes: name some, give a selector, or say all (--all)";
    problems.push(general("INVALID_REQUEST", message));
    return [];
  }
  const found =
    nodes !== undefined
      ? named(view, nodes, problems)
      : selector !== undefined
        ? matching(view, selector, problems)
        : view.nodes();
  if (found.length === 0 && problems.length === 0) {
    const what = selector === undefined ? "no node" : `selector "${selector}" matches no node`;
    problems.push(general("NOTHING_SELECTED", `nothing to do: ${what}`));
  }
  return found;
}

function named(
  view: InventoryView,
  names: readonly string[],
  problems: JobProblem[],
): readonly NodeRecord[] {
  const found = new Map<string, NodeRecord>();
  for (const name of names) {
    const node = view.node(name);
    if (node === null) problems.push(unknownNode(view, name));
    else if (found.has(name)) {
      const message = `node "${name}" is named twice`;
      problems.push({ node: name, code: "DUPLICATE_NODE", message });
    } else found.set(name, node);
  }
  return [...found.values()];
}

function matching(
  view: InventoryView,
  selector: string,
  problems: JobProblem[],
): readonly NodeRecord[] {
  try {
    return selectNodes(view, parseSelector(selector));
  } catch (error) {
    if (!isAgentError(error, "EMPTY_SELECTOR", "INVALID_SELECTOR")) throw error;
    problems.push(general(error.code, error.message));
    return [];
  }
}

function unknownNode(view: InventoryView, name: string): JobProblem {
  const near = nearestWord(
    name,
    view.nodes().map((node) => node.name),
  );
  const hint = near === null ? "" : `; did you mean "${near}"?`;
  return { node: name, code: "NOT_FOUND", message: `there is no node "${name}"${hint}` };
}

function noRevision(view: InventoryView): JobProblem {
  const { source, lastError } = view.config();
  const why =
    source === null
      ? "no configuration repository is set (muster config set-repo)"
      : lastError === null
        ? "the repository has not been fetched yet; try again in a moment"
        : `the repository could not be fetched: ${lastError.message}`;
  return general("NO_REVISION", `there is no configuration revision: ${why}`);
}

/** The code that all problems share, so that a caller can tell "not found" from "not now". */
function refused(problems: readonly JobProblem[]): PlannedJob {
  const codes = new Set(problems.map((problem) => problem.code));
  const [code] = codes;
  return {
    ok: false,
    code: codes.size === 1 && code !== undefined ? code : "PRECHECK_FAILED",
    problems,
  };
}

function general(code: string, message: string): JobProblem {
  return { node: null, code, message };
}
