/**
 * Clean-up and decommission: every role on the node is taken away, those that need others first,
 * each by the clean-up of the revision it came from. Only when all are away is the node
 * `discovered` (or `decommissioned`); a clean-up that fails leaves it `failed`. By force, a
 * decommission goes on past failures and absence.
 */
import { type FinishedRun } from "../inventory/records.ts";
import { sourceRevision } from "./applied-roles.ts";
import {
  type NodeEnd,
  type NodeStep,
  type NodeWork,
  type RunRequest,
  type Stop,
  appliedAfter,
  configured,
  stoppedBy,
} from "./node-work.ts";

export function planCleanup(work: NodeWork): NodeStep {
  const isForced = work.job.action === "decommission" && work.job.force;
  const cleaned: string[] = [];
  const failures: Stop[] = [];
  let ran: FinishedRun | null = null;
  for (const role of work.state.roles.toReversed()) {
    const run = work.runs.claim(role, "cleanup");
    if (run !== null) {
      ran = run;
      if (run.outcome === "succeeded") cleaned.push(role);
      else failures.push(stoppedBy(run));
    } else {
      const next = cleanupOf(work, role);
      const halt = next === null ? null : work.haltBefore(next);
      if (next !== null && halt === null) return { kind: "run", run: next };
      if (halt === null) cleaned.push(role);
      else failures.push(halt);
    }
    const [stop] = failures;
    if (stop !== undefined && (!isForced || stop.status === "cancelled")) {
      return { kind: "end", end: stoppedEnd(work, stop, { cleaned, ran }) };
    }
  }
  return { kind: "end", end: doneEnd(work, cleaned, failures) };
}

function cleanupOf(work: NodeWork, role: string): RunRequest | null {
  return work.request(role, "cleanup", sourceRevision(work.applied, work.node, role));
}

function doneEnd(work: NodeWork, cleaned: readonly string[], failures: readonly Stop[]): NodeEnd {
  const appliedRoles = appliedAfter(work.node, { begun: [], cleaned });
  const [failure] = failures;
  const isDecommission = work.job.action === "decommission";
  const isWhole = isDecommission || appliedRoles.length === 0;
  const message = failures.map((stop) => stop.message).join("; ");
  return {
    status: "succeeded",
    phase: isDecommission ? "decommissioned" : isWhole ? emptiedPhase(work) : null,
    step: failure === undefined ? work.lastStep() : failure.step,
    exitCode: failure === undefined ? 0 : failure.exitCode,
    message: failure === undefined ? "" : `by force, although ${message}`,
    revision: isWhole ? null : undefined,
    appliedRoles,
    condition: isWhole
      ? configured("False", "CleanedUp", "")
      : configured("Unknown", "PartlyCleanedUp", `cleaned up: ${cleaned.join(", ")}`),
  };
}

/** A decommissioned node that is cleaned up once more stays what it is. */
function emptiedPhase(work: NodeWork): "discovered" | null {
  const { phase } = work.node;
  return phase === "commissioned" || phase === "failed" ? "discovered" : null;
}

function stoppedEnd(
  work: NodeWork,
  stop: Stop,
  done: { readonly cleaned: readonly string[]; readonly ran: FinishedRun | null },
): NodeEnd {
  const { status, step, exitCode, message } = stop;
  const isTouched = done.ran !== null;
  const isPassing = work.job.action === "decommission";
  return {
    status,
    phase: isPassing || (isTouched && work.node.phase === "commissioned") ? "failed" : null,
    step,
    exitCode,
    message,
    revision: undefined,
    appliedRoles: appliedAfter(work.node, { begun: [], cleaned: done.cleaned }),
    condition: isTouched
      ? configured(status === "failed" ? "Broken" : "Unknown", "CleanupStopped", message)
      : null,
  };
}
