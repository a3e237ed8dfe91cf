/**
 * The life of a node as one table: which job action moves a node from which phase to which, when its work
 * begins and when it ends. Everything that asks "may I?" asks here; the reducer refuses the rest.
 */
import { type JobAction, type Phase, phases } from "./records.ts";

/** Phases that only exist while a live job owns the node. */
export const passingPhases = ["commissioning", "upgrading", "decommissioning"] as const;

interface ActionMoves {
  /** Phases from which the action may begin. */
  readonly from: readonly Phase[];
  /** Phases from which it may begin only by force: a dead machine can always be given up. */
  readonly forcedFrom?: readonly Phase[];
  /** Phase while it works; null: the node keeps the phase it has. */
  readonly passing: Phase | null;
  /** Phases it may end in, by the phase at its end (that is `passing`, if there is one). */
  readonly ends: Readonly<Partial<Record<Phase, readonly Phase[]>>>;
}

const moves: Readonly<Record<JobAction, ActionMoves>> = {
  commission: {
    from: ["discovered", "failed", "decommissioned"],
    passing: "commissioning",
    ends: { commissioning: ["commissioned", "failed"] },
  },
  upgrade: {
    from: ["commissioned"],
    passing: "upgrading",
    ends: { upgrading: ["commissioned", "failed"] },
  },
  decommission: {
    from: ["commissioned", "failed"],
    forcedFrom: ["discovered"],
    passing: "decommissioning",
    ends: { decommissioning: ["decommissioned", "failed"] },
  },
  verify: { from: ["commissioned", "failed"], passing: null, ends: {} },
  cleanup: {
    from: ["discovered", "commissioned", "failed", "decommissioned"],
    passing: null,
    ends: { commissioned: ["discovered", "failed"], failed: ["discovered"] },
  },
};

export function isPassing(phase: Phase): boolean {
  return phase === "commissioning" || phase === "upgrading" || phase === "decommissioning";
}

/** Phase that a node has while `action` works on it; null when it keeps its own. */
export function passingPhase(action: JobAction): Phase | null {
  return moves[action].passing;
}

/** May `action` begin on a node in `phase`? */
export function canBegin(action: JobAction, phase: Phase, force = false): boolean {
  const { from, forcedFrom } = moves[action];
  return from.includes(phase) || (force && forcedFrom?.includes(phase) === true);
}

/** May the work of `action` on a node in `from` end with the node in `to`? */
export function canEnd(action: JobAction, from: Phase, to: Phase): boolean {
  if (from === to) return !isPassing(from);
  return moves[action].ends[from]?.includes(to) ?? false;
}

/** Actions that may begin on a node in `phase`: none while another job works on it. */
export function legalActions(phase: Phase): readonly JobAction[] {
  return (Object.keys(moves) as JobAction[]).filter((action) => canBegin(action, phase));
}

/** Phases that a node in `phase` can come to next, in the order of life. */
export function legalMoves(phase: Phase): readonly Phase[] {
  const next = new Set<Phase>();
  for (const { from, passing, ends } of Object.values(moves)) {
    if (passing !== null && from.includes(phase)) next.add(passing);
    for (const end of ends[phase] ?? []) next.add(end);
  }
  return phases.filter((candidate) => next.has(candidate));
}

/** Text of a refusal: what is not possible, and what is. */
export function illegalBegin(action: JobAction, node: string, phase: Phase): string {
  const legal = legalActions(phase);
  const instead =
    legal.length === 0 ? "wait for the job that holds it" : `legal: ${legal.join(", ")}`;
  return `Cannot ${action} node "${node}": it is ${phase}; ${instead}`;
}
