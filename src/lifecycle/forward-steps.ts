/**
 * The way forward that commission and upgrade share: each role is applied, then verified, until one
 * stops it.
 */
import { type ActionName, type FinishedRun } from "../inventory/records.ts";
import { type NodeWork, type RunRequest, type Stop, stepOf, stoppedBy } from "./node-work.ts";

export interface ForwardResult {
  /** Roles that were touched, in the order in which that happened. */
  readonly begun: readonly string[];
  readonly next: RunRequest | null;
  readonly stop: Stop | null;
}

const applies = ["configure", "upgrade"] as const;

/**
 * @param applyActions actions that apply a role, best first: the first one that the role has is
 *   run. Of what ran already either counts, so that a replay is not led astray by what changed
 *   since.
 */
export function forward(
  work: NodeWork,
  applyActions: (role: string) => readonly ActionName[],
): ForwardResult {
  const begun: string[] = [];
  for (const role of work.state.roles) {
    for (const stage of ["apply", "verify"] as const) {
      const actions = stage === "apply" ? applyActions(role) : (["verify"] as const);
      const run = work.runs.claim(role, ...(stage === "apply" ? applies : actions));
      if (run === null) {
        const next = firstOf(work, role, actions);
        if (next === null) continue;
        const stop = work.haltBefore(next);
        return { begun, next: stop === null ? next : null, stop };
      }
      if (!begun.includes(role)) begun.push(role);
      if (run.outcome !== "succeeded") return { begun, next: null, stop: stopOf(run) };
    }
  }
  return { begun, next: null, stop: null };
}

function firstOf(work: NodeWork, role: string, actions: readonly ActionName[]): RunRequest | null {
  for (const action of actions) {
    const request = work.request(role, action, work.job.revision);
    if (request !== null) return request;
  }
  return null;
}

/** Drift right after a push is no drift: what was pushed does not hold. */
function stopOf(run: FinishedRun): Stop {
  const stop = stoppedBy(run);
  if (run.outcome !== "drifted") return stop;
  const cause = run.message === "" ? "" : `: ${run.message}`;
  return { ...stop, message: `${stepOf(run)} right after the push found drift${cause}` };
}
