/**
 * Verify: every role is compared with what it was last given (its recorded revision), and all are
 * looked at, so that one report names everything. What was found becomes the condition
 * `Configured`; the phase stays. Drift is a finding, not a failure: the node ends `succeeded` with
 * the exit code of the verification (2) and what drifted, so that the CLI can tell drift (3) from
 * failure (1).
 */
import { type FinishedRun } from "../inventory/records.ts";
import {
  type NodeEnd,
  type NodeStep,
  type NodeWork,
  type Stop,
  configured,
  describeRun,
  stepOf,
  stoppedBy,
} from "./node-work.ts";

export function planVerify(work: NodeWork): NodeStep {
  const ended: FinishedRun[] = [];
  for (const role of work.state.roles) {
    const revision = recordedRevision(work, role);
    const run = work.runs.claim(role, "verify");
    if (run === null) {
      const next = work.request(role, "verify", revision);
      if (next === null) continue;
      const stop = work.haltBefore(next);
      return stop === null ? { kind: "run", run: next } : { kind: "end", end: stopped(stop) };
    }
    if (run.outcome === "cancelled" || run.outcome === "lost") {
      return { kind: "end", end: stopped(stoppedBy(run)) };
    }
    ended.push(run);
  }
  return { kind: "end", end: verdict(work, ended) };
}

/** Revision that a role is verified at: the one it was last applied from with success. */
export function recordedRevision(work: NodeWork, role: string): string | null {
  return work.applied.lastGood(role)?.revision ?? work.node.revision;
}

/** Exit code of a verification that found drift (interfaces.md). */
const driftExitCode = 2;

function verdict(work: NodeWork, ended: readonly FinishedRun[]): NodeEnd {
  if (ended.length === 0) {
    const roles = work.state.roles.join(", ");
    const message = `nothing to verify: no verify action in ${roles === "" ? "any role" : roles}`;
    return { ...unchanged, status: "skipped", step: null, exitCode: null, message };
  }
  const broken = ended.filter((run) => run.outcome === "failed" || run.outcome === "timed-out");
  const drifted = ended.filter((run) => run.outcome === "drifted");
  const message = [...broken, ...drifted].map(describeRun).join("; ");
  const worst = broken[0] ?? drifted[0];
  if (worst === undefined) return verified(work);
  const isBroken = broken.length > 0;
  return {
    ...unchanged,
    status: isBroken ? "failed" : "succeeded",
    step: stepOf(worst),
    exitCode: worst.exitCode ?? (isBroken ? null : driftExitCode),
    message,
    condition: isBroken
      ? configured("Broken", "VerifyFailed", message)
      : configured("Drifted", "DriftFound", message),
  };
}

/**
 * A verification of some of the roles cannot vouch for the others, unless nothing was wrong before.
 */
function verified(work: NodeWork): NodeEnd {
  const isWhole = work.node.appliedRoles.every((role) => work.state.roles.includes(role));
  const end = { ...unchanged, step: work.lastStep(), exitCode: 0 };
  const condition = isWhole ? work.doneCondition("Verified", work.node.appliedRoles) : null;
  return { ...end, status: "succeeded", message: "", condition };
}

function stopped(stop: Stop): NodeEnd {
  const { status, step, exitCode, message } = stop;
  const reason = status === "lost" ? "VerifyLost" : "VerifyCancelled";
  const condition = status === "lost" ? configured("Unknown", reason, message) : null;
  return { ...unchanged, status, step, exitCode, message, condition };
}

const unchanged = {
  phase: null,
  revision: undefined,
  appliedRoles: null,
  condition: null,
} as const;
