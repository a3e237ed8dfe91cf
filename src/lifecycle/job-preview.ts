/**
 * What a job would do if every action succeeded: the sequences themselves are asked, with a success
 * for each run they want, so that a dry run can never differ from the job.
 */
import { must } from "../base/assert.ts";
import { type Command } from "../inventory/commands.ts";
import { newJob } from "../inventory/job-create.ts";
import {
  type ActionName,
  type FinishedRun,
  type JobNode,
  type JobRecord,
} from "../inventory/records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { jobRoles } from "./job-roles.ts";
import { planSequence } from "./node-step.ts";
import { NodeWork, type RunRequest } from "./node-work.ts";

export type JobCreate = Extract<Command, { readonly type: "job.create" }>;

/** What would happen at one node if all goes well. */
export interface PlannedNode {
  readonly node: string;
  readonly wave: number;
  readonly roles: readonly string[];
  readonly actions: readonly { readonly role: string; readonly action: ActionName }[];
}

export function previewJob(view: InventoryView, command: JobCreate): readonly PlannedNode[] {
  const job: JobRecord = { ...newJob(command, { at: 0, by: "" }), version: 0 };
  return job.targets.map((name) => {
    const state = must(job.nodes[name], "every target has its place in a job");
    return previewNode(view, job, { name, state });
  });
}

function previewNode(
  view: InventoryView,
  job: JobRecord,
  of: { readonly name: string; readonly state: JobNode },
): PlannedNode {
  const node = must(view.node(of.name), "targets of a checked request exist");
  const chosen = jobRoles(view, job, node);
  const roles = chosen.ok ? chosen.roles : [];
  const isAway = node.reachability !== "reachable";
  const runs: FinishedRun[] = [];
  for (;;) {
    const state: JobNode = { ...of.state, status: "running", roles, runs };
    const step = planSequence(new NodeWork(view, job, { node, state, isAway }));
    if (step.kind === "end") break;
    runs.push(success(step.run));
  }
  const actions = runs.map(({ role, action }) => ({ role, action }));
  return { node: of.name, wave: of.state.wave, roles, actions };
}

function success({ role, action, attempt, revision }: RunRequest): FinishedRun {
  return {
    id: `${role}/${action}/${attempt}`,
    role,
    action,
    attempt,
    revision,
    outcome: "succeeded",
    exitCode: 0,
    signal: null,
    startedAt: 0,
    endedAt: 0,
    message: "",
  };
}
