/**
 * The vars a run is given. A push resolves them now. Verify and clean-up take those that the role
 * was last given, and the way back takes those of what it goes back to: what is on a node is judged
 * by what was put there, not by what was set since. Vars of the job itself win, except over what
 * the job put there itself: the way back is not the way forth with the vars that failed.
 */
import { type JsonObject } from "../base/json.ts";
import { type JobRecord, type RunRef } from "../inventory/records.ts";
import { resolveVars } from "../inventory/vars.ts";
import { type InventoryView } from "../inventory/view.ts";
import { AppliedHistory, RoundRuns } from "./run-history.ts";
import { varsDigest } from "./vars-digest.ts";

export interface RunOfNode {
  readonly node: string;
  readonly run: RunRef & { readonly revision: string };
}

export function varsOfRun(view: InventoryView, job: JobRecord, of: RunOfNode): JsonObject {
  const { node, run } = of;
  const applied = new AppliedHistory(view, node);
  const { role, revision } = run;
  if (run.action === "verify" || run.action === "cleanup") {
    const given = run.action === "verify" ? applied.lastGood(role) : applied.last(role);
    if (given !== null) return wasPushed(job, of) ? given.vars : { ...given.vars, ...job.vars };
  } else {
    const earlier = goesBackFrom(job, of);
    const before = earlier === null ? null : applied.before(role, earlier);
    if (before !== null) return before.vars;
  }
  return resolveVars(view, { node, role, revision, jobVars: job.vars });
}

/** What the ledger is told of a run whose target never reported it. */
export function lostVars(
  view: InventoryView,
  job: JobRecord,
  of: RunOfNode,
): { readonly vars: JsonObject; readonly varsDigest: string } {
  const vars = varsOfRun(view, job, of);
  return { vars, varsDigest: varsDigest(vars) };
}

/** A push of this round brought the job's vars, or took them back: they are in the ledger as due. */
function wasPushed(job: JobRecord, { node, run }: RunOfNode): boolean {
  const work = job.nodes[node];
  if (work === undefined) return false;
  const round = new RoundRuns(work);
  return round.has(run.role, "configure") || round.has(run.role, "upgrade");
}

/** A role is pushed once in a round; when something of it ran before, this push goes back. */
function goesBackFrom(job: JobRecord, { node, run }: RunOfNode): ReadonlySet<string> | null {
  const work = job.nodes[node];
  if (work === undefined) return null;
  const round = new RoundRuns(work);
  const actions = ["configure", "upgrade", "cleanup"] as const;
  return actions.some((action) => round.has(run.role, action)) ? round.ids() : null;
}
