/**
 * An inventory whose jobs are carried out: the planner's commands are applied, and runs end as the test
 * says. Time is `inventory.at`; it moves to the planner's next deadline when nothing else is due.
 */
import * as assert from "uvu/assert";
import { type Command } from "../../src/inventory/commands.ts";
import {
  type ActionName,
  type CurrentRun,
  type FinishedRun,
  type JobAction,
  type JobNode,
  type JobRecord,
  type Manifest,
  type NodeRecord,
  type RoleSpec,
} from "../../src/inventory/records.ts";
import { planJobs } from "../../src/lifecycle/job-planner.ts";
import { planJobRequest, type JobRequest } from "../../src/lifecycle/job-request.ts";
import { varsOfRun } from "../../src/lifecycle/run-vars.ts";
import { type Inventory, cluster, finished, peer, setRevision } from "./inventory.ts";

export function roleSpec(
  name: string,
  parts: { readonly requires?: readonly string[]; readonly actions?: readonly ActionName[] } = {},
): RoleSpec {
  const names = parts.actions ?? ["configure", "verify", "cleanup"];
  const actions = names.map((action) => [action, { path: `${name}/${action}`, timeoutMs: 60_000 }]);
  return {
    name,
    runner: "script",
    requires: parts.requires ?? [],
    actions: Object.fromEntries(actions),
    secrets: [],
  };
}

export function manifestOf(...roles: readonly RoleSpec[]): Manifest {
  return { vars: {}, roles: Object.fromEntries(roles.map((role) => [role.name, role])) };
}

/** The revision that a world begins with. */
export const rev1 = "rev1";

/** base, and web on top of it. */
export const twoRoles = manifestOf(roleSpec("base"), roleSpec("web", { requires: ["base"] }));

/** How a run ends: an outcome, an exit code, or null when it does not end by itself. */
export type Ending = Partial<FinishedRun> | null;
export type Endings = (run: CurrentRun, node: string) => Ending;

export const succeed: Endings = () => ({});
export const fail = (exitCode: number): Ending => ({ outcome: "failed", exitCode });

/** Runs whose `ROLE/ACTION` (or `ROLE/ACTION/ATTEMPT`) is named end so; all others succeed. */
export function endings(named: Readonly<Record<string, Ending>>): Endings {
  return (run) => {
    const step = `${run.role}/${run.action}`;
    const exact = named[`${step}/${run.attempt}`];
    if (exact !== undefined) return exact;
    const ending = named[step];
    return ending === undefined ? {} : ending;
  };
}

export class JobWorld {
  readonly inventory: Inventory;
  /** Runs in the order in which they began: `node:role/action@revision`. */
  readonly began: string[] = [];
  #jobs = 0;

  constructor(nodes: readonly string[], manifest: Manifest = twoRoles) {
    this.inventory = cluster(...nodes);
    setRevision(this.inventory, rev1, manifest);
  }

  get view() {
    return this.inventory.view;
  }

  assign(node: string, ...roles: readonly string[]): void {
    this.inventory.ok({ type: "node.patch", node, roles });
  }

  /** Makes a job through the prechecks, as the API does. */
  request(action: JobAction, nodes: readonly string[], parts: Partial<JobRequest> = {}): string {
    this.#jobs += 1;
    const id = `j${this.#jobs}`;
    const planned = planJobRequest(this.view, { action, nodes, ...parts }, { id });
    assert.ok(planned.ok, planned.ok ? "" : JSON.stringify(planned.problems));
    this.inventory.ok(planned.command);
    return id;
  }

  /** Carries everything out until nothing is due; runs that do not end are waited for up to their deadline. */
  settle(how: Endings = succeed): void {
    for (let turn = 0; turn < 5000; turn += 1) {
      const plan = planJobs(this.view, this.inventory.at);
      for (const command of plan.commands) this.#apply(command);
      const ended = this.endRuns(how);
      if (plan.commands.length > 0 || ended) continue;
      if (plan.wakeAt === null) return;
      this.inventory.at = Math.max(this.inventory.at, plan.wakeAt);
    }
    assert.unreachable("jobs go on for ever");
  }

  /** Like `settle`, but stops as soon as `isReached`, before the next command or end of a run. */
  settleUntil(isReached: () => boolean, how: Endings = succeed): void {
    for (let turn = 0; turn < 5000 && !isReached(); turn += 1) {
      const [command] = planJobs(this.view, this.inventory.at).commands;
      if (command !== undefined) this.#apply(command);
      else assert.ok(this.endRuns(how, 1), "nothing more happens");
    }
    assert.ok(isReached());
  }

  endRuns(how: Endings, limit = Infinity): boolean {
    let ended = 0;
    for (const job of this.view.activeJobs()) {
      for (const [node, { current }] of Object.entries(job.nodes)) {
        const ending = current === null ? null : how(current, node);
        if (current === null || ending === null || ended >= limit) continue;
        this.report(job, node, finished(current, ending));
        ended += 1;
      }
    }
    return ended > 0;
  }

  report(job: JobRecord, node: string, result: FinishedRun): void {
    const vars = varsOfRun(this.view, job, { node, run: result });
    const given = { vars, varsDigest: "d", transcripts: [peer(node)] };
    this.inventory.ok({ type: "run.finish", job: job.id, node, result, ...given });
  }

  lose(node: string): void {
    const changes = [{ id: peer(node), reachability: "unreachable" }] as const;
    this.inventory.ok({ type: "node.reachability", changes });
  }

  find(node: string): void {
    const changes = [{ id: peer(node), reachability: "reachable" }] as const;
    this.inventory.ok({ type: "node.reachability", changes });
  }

  job(id: string): JobRecord {
    const job = this.view.job(id);
    assert.ok(job, `job ${id}`);
    return job;
  }

  work(id: string, node = "n1"): JobNode {
    const work = this.job(id).nodes[node];
    assert.ok(work, `node ${node} of job ${id}`);
    return work;
  }

  node(name = "n1"): NodeRecord {
    const node = this.view.node(name);
    assert.ok(node, `node ${name}`);
    return node;
  }

  configured(node = "n1"): string | null {
    const found = this.node(node).conditions.find(({ type }) => type === "Configured");
    return found?.status ?? null;
  }

  /** The runs since the last call, of all nodes. */
  takeRuns(): readonly string[] {
    return this.began.splice(0);
  }

  #apply(command: Command): void {
    this.inventory.ok(command, { by: "controller" });
    if (command.type !== "run.begin") return;
    const { role, action, revision } = command.run;
    const at = revision === rev1 ? "" : `@${revision}`;
    this.began.push(`${command.node}:${role}/${action}${at}`);
  }
}

/** A world where `node` was commissioned with roles base and web at the first revision. */
export function commissioned(manifest: Manifest = twoRoles, node = "n1"): JobWorld {
  const world = new JobWorld([node], manifest);
  world.assign(node, "web");
  world.request("commission", [node]);
  world.settle();
  assert.is(world.node(node).phase, "commissioned");
  world.takeRuns();
  return world;
}
