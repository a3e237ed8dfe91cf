/**
 * Who should vote: the next single step towards the configuration that survives most failures. Pure. It may be
 * wrong about who lives (the core refuses what could not commit) but must never shrink below a live majority.
 *
 * Wanted voters: the largest odd number of healthy members up to `maxVoters`, but two when just two are healthy,
 * since then both hold every acknowledged write.
 *
 * The leader streams to voters and at most `maxStandbys` standbys. Every other admitted member is an observer: it has
 * no place in the configuration, so a thousand of them cost the log nothing, and pulls from its neighbours. When a
 * place gets free the longest admitted one that is alive takes it.
 */
import { isJoint, roleOf, voterIds } from "../core/configuration.ts";
import { type ConfigChange, type Configuration, type NodeId } from "../core/types.ts";

export interface AutopilotLimits {
  readonly maxVoters: number;
  /** Members that the leader streams to beside the voters; those beyond are observers. */
  readonly maxStandbys: number;
  /** Voters are not demoted below this number because they are dead. */
  readonly minVoters: number;
  /** A voter that was silent this long is dead. */
  readonly demoteAfterMs: number;
  /** A standby or observer that was silent this long is dead: nobody streams to it any more. */
  readonly loseAfterMs: number;
  /** How long a standby must have kept pace before it makes a third or later voter. */
  readonly stableMs: number;
}

export const defaultAutopilotLimits: AutopilotLimits = {
  maxVoters: 5,
  maxStandbys: 5,
  minVoters: 1,
  demoteAfterMs: 5000,
  loseAfterMs: 30_000,
  stableMs: 10_000,
};

/** What the leader knows about one other member. */
export interface MemberHealth {
  /** Since it last acknowledged anything to this leader. */
  readonly silentMs: number;
  /** How long it has been alive and close to the end of the log, without a break; 0 when it is not. */
  readonly stableMs: number;
  readonly caughtUp: boolean;
}

export interface AutopilotView {
  readonly self: NodeId;
  readonly effective: Configuration;
  readonly committed: Configuration;
  readonly health: ReadonlyMap<NodeId, MemberHealth>;
  /** Members of the cluster, in the order in which they may get a place. */
  readonly admitted: readonly NodeId[];
  readonly isGone: (id: NodeId) => boolean;
  readonly isAlive: (id: NodeId) => boolean;
}

export type AutopilotStep =
  | { readonly kind: "change"; readonly change: ConfigChange; readonly why: string }
  | { readonly kind: "transfer"; readonly why: string };

type Rule = (view: AutopilotView, limits: AutopilotLimits) => AutopilotStep | null;

/** The next step, or null when all is well or the last change is not committed yet. */
export function planStep(view: AutopilotView, limits: AutopilotLimits): AutopilotStep | null {
  const { effective, committed } = view;
  if (effective.index !== committed.index || effective.sets.length === 0) return null;
  if (isJoint(effective)) {
    return effective.autoLeave ? null : step({ op: "leaveJoint" }, "a joint change is complete");
  }
  for (const rule of rules) {
    const next = rule(view, limits);
    if (next !== null) return next;
  }
  return null;
}

const removeGone: Rule = (view) => {
  const { self, effective, isGone } = view;
  const everybody = [...members(effective)];
  const gone = everybody.find((id) => id !== self && isGone(id) && safeWithout(view, id));
  if (gone !== undefined) return step({ op: "remove", node: gone }, "it left the cluster");
  const others = voters(view).filter((id) => id !== self && isLive(view, id) && !isGone(id));
  if (!isGone(self) || others.length === 0) return null;
  return { kind: "transfer", why: "this agent left the cluster" };
};

/** A dead voter costs fault tolerance every moment it counts. Two voters are the core's own business. */
const loseDeadVoter: Rule = (view, { minVoters, demoteAfterMs }) => {
  const all = voters(view);
  if (all.length <= Math.max(2, minVoters)) return null;
  const dead = all.find(
    (id) => id !== view.self && silence(view, id) > demoteAfterMs && safeWithout(view, id),
  );
  return dead === undefined ? null : step({ op: "lose", node: dead }, "the voter is silent");
};

const loseDeadFollower: Rule = (view, { loseAfterMs }) => {
  const { standbys, observers } = view.effective;
  const dead = [...standbys, ...observers].find(
    (id) => silence(view, id) > loseAfterMs && !view.isAlive(id),
  );
  return dead === undefined ? null : step({ op: "lose", node: dead }, "the standby is silent");
};

const promoteStandby: Rule = (view, limits) => {
  const all = voters(view);
  const candidates = readyStandbys(view, all.length < 3 ? 0 : limits.stableMs);
  const healthy = all.filter((id) => isLive(view, id)).length + candidates.length;
  const best = candidates[0];
  if (best === undefined || all.length >= wantedVoters(healthy, limits.maxVoters)) return null;
  return step({ op: "promote", node: best }, `${healthy} healthy members may vote`);
};

/** An even number of voters tolerates no more failures than one less, but needs one more answer. */
const demoteSurplus: Rule = (view, limits) => {
  const all = voters(view);
  if (all.length <= 2 || !all.every((id) => isLive(view, id))) return null;
  const candidates = readyStandbys(view, 0);
  if (all.length <= wantedVoters(all.length + candidates.length, limits.maxVoters)) return null;
  const weakest = all
    .filter((id) => id !== view.self)
    .sort((a, b) => stability(view, a) - stability(view, b))[0];
  return weakest === undefined
    ? null
    : step({ op: "demote", node: weakest }, "one voter less tolerates as many failures");
};

const addMember: Rule = (view, { maxStandbys }) => {
  const { effective, admitted, isAlive, isGone } = view;
  if (effective.standbys.length >= maxStandbys) return null;
  const next = admitted.find((id) => {
    const role = roleOf(effective, id);
    return role !== "voter" && role !== "standby" && isAlive(id) && !isGone(id);
  });
  if (next === undefined) return null;
  return step({ op: "addStandby", node: next }, "the member is alive and a place is free");
};

/** The least steady one goes on as an observer: an earlier version, or another limit, gave it its place. */
const trimStandbys: Rule = (view, { maxStandbys }) => {
  const { standbys } = view.effective;
  if (standbys.length <= maxStandbys) return null;
  const weakest = [...standbys].sort((a, b) => stability(view, a) - stability(view, b))[0];
  return weakest === undefined
    ? null
    : step({ op: "remove", node: weakest }, "it follows its neighbours from now on");
};

/** Who is back, but has no place, need not be remembered: it is an observer like any other. */
const forgetReturned: Rule = ({ effective, admitted, isAlive, isGone }) => {
  const back = effective.lost.find((id) => admitted.includes(id) && isAlive(id) && !isGone(id));
  if (back === undefined) return null;
  return step({ op: "remove", node: back }, "it is back, and follows its neighbours");
};

const rules: readonly Rule[] = [
  removeGone,
  loseDeadVoter,
  promoteStandby,
  demoteSurplus,
  addMember,
  loseDeadFollower,
  trimStandbys,
  forgetReturned,
];

export function wantedVoters(healthy: number, maxVoters: number): number {
  if (healthy <= 2) return Math.min(healthy, maxVoters);
  const most = Math.min(healthy, maxVoters);
  return most % 2 === 0 ? most - 1 : most;
}

function step(change: ConfigChange, why: string): AutopilotStep {
  return { kind: "change", change, why };
}

function members({ sets, standbys, observers, lost }: Configuration): ReadonlySet<NodeId> {
  return new Set([...sets.flat(), ...standbys, ...observers, ...lost]);
}

function voters({ effective }: AutopilotView): readonly NodeId[] {
  return voterIds(effective);
}

function silence({ self, health }: AutopilotView, id: NodeId): number {
  return id === self ? 0 : (health.get(id)?.silentMs ?? Infinity);
}

function stability({ self, health }: AutopilotView, id: NodeId): number {
  return id === self ? Infinity : (health.get(id)?.stableMs ?? 0);
}

/** Suspicion begins at 3 s: longer than the longest election. */
function isLive(view: AutopilotView, id: NodeId): boolean {
  return silence(view, id) < 3000;
}

/** A majority of the voters that remain is alive, so that the change commits and work goes on. */
function safeWithout(view: AutopilotView, id: NodeId): boolean {
  const rest = voters(view).filter((voter) => voter !== id);
  if (rest.length === 0) return false;
  const live = rest.filter((voter) => isLive(view, voter)).length;
  return live > rest.length / 2;
}

/** Standbys that may vote, the longest stable first. */
function readyStandbys(view: AutopilotView, stableMs: number): readonly NodeId[] {
  return view.effective.standbys
    .filter((id) => {
      const health = view.health.get(id);
      if (health === undefined || view.isGone(id) || !isLive(view, id)) return false;
      return health.caughtUp && health.stableMs >= stableMs;
    })
    .sort((a, b) => stability(view, b) - stability(view, a));
}
