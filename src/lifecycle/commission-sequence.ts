/**
 * Commission: for each role, dependencies first, configure and then verify. Whatever stops it, the
 * roles that were begun are cleaned up, last one first, on this node only, and the node ends
 * `failed` with the step that stopped it. A clean-up that fails does not stop the next one, and
 * never hides the first cause.
 */
import { type FinishedRun } from "../inventory/records.ts";
import { forward, type ForwardResult } from "./forward-steps.ts";
import {
  type NodeEnd,
  type NodeStep,
  type NodeWork,
  type Stop,
  appliedAfter,
  configured,
  stepOf,
} from "./node-work.ts";

export function planCommission(work: NodeWork): NodeStep {
  const result = forward(work, () => ["configure"]);
  if (result.next !== null) return { kind: "run", run: result.next };
  return result.stop === null ? commissioned(work) : cleanUp(work, result, result.stop);
}

function commissioned(work: NodeWork): NodeStep {
  const { job, node, state } = work;
  const appliedRoles = appliedAfter(node, { begun: state.roles, cleaned: [] });
  const end: NodeEnd = {
    status: "succeeded",
    phase: "commissioned",
    step: work.lastStep(),
    exitCode: 0,
    message: "",
    revision: job.revision,
    appliedRoles,
    condition: work.doneCondition("Commissioned", appliedRoles),
  };
  return { kind: "end", end };
}

function cleanUp(work: NodeWork, { begun }: ForwardResult, stop: Stop): NodeStep {
  const cleaned: string[] = [];
  const left: FinishedRun[] = [];
  for (const role of begun.toReversed()) {
    const request = work.request(role, "cleanup", work.job.revision);
    const run = work.runs.claim(role, "cleanup");
    if (run !== null) {
      if (run.outcome === "succeeded") cleaned.push(role);
      else left.push(run);
    } else if (request === null) {
      cleaned.push(role);
    } else if (!work.isAway) {
      return { kind: "run", run: request };
    }
  }
  const skipped = begun.length - cleaned.length - left.length;
  return { kind: "end", end: failedEnd(work, stop, { begun, cleaned, left, skipped }) };
}

function failedEnd(
  work: NodeWork,
  stop: Stop,
  undone: {
    readonly begun: readonly string[];
    readonly cleaned: readonly string[];
    readonly left: readonly FinishedRun[];
    readonly skipped: number;
  },
): NodeEnd {
  const notes = undone.left.map((run) => `${stepOf(run)} did not succeed either`);
  if (undone.skipped > 0) notes.push("the clean-up did not run: the node is not reachable");
  const message = [stop.message, ...notes].join("; ");
  const status = stop.status === "failed" ? "Broken" : "Unknown";
  return {
    status: stop.status,
    phase: "failed",
    step: stop.step,
    exitCode: stop.exitCode,
    message,
    revision: null,
    appliedRoles: appliedAfter(work.node, undone),
    condition: configured(status, "CommissionStopped", message),
  };
}
