/**
 * Upgrade: each role is upgraded (or configured, when it has no upgrade of its own or is new on the
 * node) at the job's revision, then verified; roles that are on the node but no longer assigned are
 * cleaned up. A failure goes back: what was new is taken away, what was there before is configured
 * as it was, and verified. A node that verifies is `commissioned` at its old revision, else
 * `failed`. A cancelled or lost upgrade stays where it is.
 */
import { type ActionName } from "../inventory/records.ts";
import { sourceRevision } from "./applied-roles.ts";
import { forward } from "./forward-steps.ts";
import {
  type NodeStep,
  type NodeWork,
  type RunRequest,
  type Stop,
  appliedAfter,
  configured,
  stoppedBy,
} from "./node-work.ts";

/** What this upgrade has done to the node so far. */
interface Progress {
  readonly begun: string[];
  readonly cleaned: string[];
}

/** Either the next run, or what stopped the way, or neither: the way is done. */
interface Passage {
  readonly next: RunRequest | null;
  readonly stop: Stop | null;
}
const done: Passage = { next: null, stop: null };

export function planUpgrade(work: NodeWork): NodeStep {
  const ahead = forward(work, (role) => applyActions(work, role));
  const progress: Progress = { begun: [...ahead.begun], cleaned: [] };
  const passage =
    ahead.next === null && ahead.stop === null ? removeUnassigned(work, progress) : ahead;
  if (passage.next !== null) return { kind: "run", run: passage.next };
  if (passage.stop === null) return upgraded(work, progress);
  if (passage.stop.status !== "failed") return stopped(work, passage.stop, progress);
  return goBack(work, passage.stop, progress);
}

function applyActions(work: NodeWork, role: string): readonly ActionName[] {
  const isOnNode = work.applied.before(role, work.runs.ids()) !== null;
  return isOnNode ? ["upgrade", "configure"] : ["configure"];
}

/** Only an upgrade of all roles takes roles away: one that names some leaves the others alone. */
function removeUnassigned(work: NodeWork, progress: Progress): Passage {
  if (work.job.roles !== null) return done;
  for (const role of unassigned(work)) {
    const run = work.runs.claim(role, "cleanup");
    if (run === null) {
      const revision = sourceRevision(work.applied, work.node, role);
      const next = work.request(role, "cleanup", revision);
      if (next !== null) return forwardTo(work, next);
      progress.cleaned.push(role);
      continue;
    }
    progress.begun.push(role);
    if (run.outcome !== "succeeded") return { next: null, stop: stoppedBy(run) };
    progress.cleaned.push(role);
  }
  return done;
}

/**
 * Also roles whose clean-up ran in this round, whatever the inventory has taken off its list since.
 */
function unassigned(work: NodeWork): readonly string[] {
  const ran = work.state.runs
    .map((run) => run.role)
    .filter((role) => work.runs.has(role, "cleanup"));
  const roles = new Set([...work.node.appliedRoles, ...ran]);
  for (const role of work.state.roles) roles.delete(role);
  return work.inOrder([...roles]).toReversed();
}

function forwardTo(work: NodeWork, next: RunRequest): Passage {
  const stop = work.haltBefore(next);
  return { next: stop === null ? next : null, stop };
}

function upgraded(work: NodeWork, progress: Progress): NodeStep {
  const appliedRoles = appliedAfter(work.node, {
    begun: work.state.roles,
    cleaned: progress.cleaned,
  });
  return {
    kind: "end",
    end: {
      status: "succeeded",
      phase: "commissioned",
      step: work.lastStep(),
      exitCode: 0,
      message: "",
      revision: work.job.revision,
      appliedRoles,
      condition: work.doneCondition("Upgraded", appliedRoles),
    },
  };
}

function stopped(work: NodeWork, stop: Stop, progress: Progress): NodeStep {
  const { status, step, exitCode, message } = stop;
  const reason = status === "lost" ? "UpgradeLost" : "UpgradeCancelled";
  return {
    kind: "end",
    end: {
      status,
      phase: "commissioned",
      step,
      exitCode,
      message,
      revision: undefined,
      appliedRoles: appliedAfter(work.node, progress),
      condition: configured("Unknown", reason, message),
    },
  };
}

function goBack(work: NodeWork, cause: Stop, progress: Progress): NodeStep {
  const passage = wayBack(work, progress);
  if (passage.next !== null) return { kind: "run", run: passage.next };
  if (passage.stop === null) return rolledBack(work, cause, progress);
  const message = `${cause.message}; going back: ${passage.stop.message}`;
  if (passage.stop.status !== "failed") {
    return stopped(work, { ...cause, status: passage.stop.status, message }, progress);
  }
  return {
    kind: "end",
    end: {
      status: "failed",
      phase: "failed",
      step: cause.step,
      exitCode: cause.exitCode,
      message,
      revision: undefined,
      appliedRoles: appliedAfter(work.node, progress),
      condition: configured("Broken", "RollbackFailed", message),
    },
  };
}

function wayBack(work: NodeWork, progress: Progress): Passage {
  const before = (role: string) => work.applied.before(role, work.runs.ids());
  for (const role of progress.begun.toReversed()) {
    if (before(role) !== null) continue;
    const passage = stepBack(work, work.request(role, "cleanup", work.job.revision));
    if (passage !== done) return passage;
    progress.cleaned.push(role);
  }
  for (const role of progress.begun) {
    const good = before(role);
    if (good === null) continue;
    for (const action of ["configure", "verify"] as const) {
      const passage = stepBack(work, work.request(role, action, good.revision));
      if (passage !== done) return passage;
    }
    const at = progress.cleaned.indexOf(role);
    if (at >= 0) progress.cleaned.splice(at, 1);
  }
  return done;
}

function stepBack(work: NodeWork, request: RunRequest | null): Passage {
  if (request === null) return done;
  const run = work.runs.claim(request.role, request.action);
  if (run === null) return forwardTo(work, request);
  return run.outcome === "succeeded" ? done : { next: null, stop: stoppedBy(run) };
}

function rolledBack(work: NodeWork, cause: Stop, progress: Progress): NodeStep {
  const revision = work.node.revision;
  const message = `${cause.message}; rolled back to ${revision?.slice(0, 12) ?? "what was there"}`;
  const { step, exitCode } = cause;
  return {
    kind: "end",
    end: {
      status: "rolled-back",
      phase: "commissioned",
      step,
      exitCode,
      message,
      revision: undefined,
      appliedRoles: appliedAfter(work.node, progress),
      condition: configured("True", "RolledBack", message),
    },
  };
}
