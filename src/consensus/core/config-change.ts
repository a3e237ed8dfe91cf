/**
 * How one configuration becomes the next: a simple step changes at most one voter, anything larger goes through a
 * joint configuration (Ongaro's dissertation §4.1 and §4.3). Pure: the rules about *when* are in reconfigure.ts.
 */
import { assert } from "../../base/assert.ts";
import {
  configurationFault,
  incoming,
  isJoint,
  outgoing,
  roleOf,
  type MemberRole,
} from "./configuration.ts";
import { type ConfigChange, type Configuration, type NodeId } from "./types.ts";

/** Gives `node` a role; `null` forgets it. */
export interface Move {
  readonly node: NodeId;
  readonly to: MemberRole | null;
}

export type ChangeResult =
  | { readonly ok: true; readonly next: Configuration }
  | { readonly ok: false; readonly detail: string };

const refuse = (detail: string): ChangeResult => ({ ok: false, detail });

/** Changes at most one voter. */
export function changeSimply(from: Configuration, moves: readonly Move[]): ChangeResult {
  if (isJoint(from)) return refuse("can't apply simple config change in joint config");
  const next = applyMoves(from, moves);
  if (incoming(next).length === 0) return refuse("removed all voters");
  if (difference(incoming(from), incoming(next)) > 1) {
    return refuse("more than one voter changed without entering joint config");
  }
  assert(!isJoint(next), "a simple step stays simple");
  return accept(next);
}

/** From now on both the voters of before and those after the moves must agree. */
export function enterJoint(
  from: Configuration,
  moves: readonly Move[],
  autoLeave: boolean,
): ChangeResult {
  if (isJoint(from)) return refuse("config is already joint");
  if (incoming(from).length === 0) return refuse("can't make a zero-voter config joint");
  const joint = { ...from, sets: [incoming(from), incoming(from)], autoLeave };
  const next = applyMoves(joint, moves);
  if (incoming(next).length === 0) return refuse("removed all voters");
  assert(isJoint(next), "both sets vote");
  assert(difference(outgoing(next), incoming(from)) === 0, "the old voters stay to agree");
  return accept(next);
}

export function leaveJoint(from: Configuration): ChangeResult {
  if (!isJoint(from)) return refuse("can't leave a non-joint config");
  assert(incoming(from).length > 0, "somebody votes afterwards");
  return accept({
    ...from,
    sets: [incoming(from)],
    standbys: [...from.standbys, ...from.standbysNext].sort(),
    standbysNext: [],
    autoLeave: false,
  });
}

function accept(next: Configuration): ChangeResult {
  const fault = configurationFault(next);
  assert(fault === null, `a change keeps the configuration well formed (${fault ?? ""})`);
  return { ok: true, next };
}

function applyMoves(from: Configuration, moves: readonly Move[]): Configuration {
  assert(from.sets.length <= 2, "a configuration has at most two voter sets");
  let next = from;
  for (const move of moves) next = applyMove(next, move);
  return next;
}

function applyMove(from: Configuration, { node, to }: Move): Configuration {
  assert(node.length > 0, "a member has a name");
  const without = (list: readonly NodeId[]): NodeId[] => list.filter((id) => id !== node);
  const put = (list: readonly NodeId[], here: boolean): NodeId[] =>
    here ? [...without(list), node].sort() : without(list);
  const stillVotes = outgoing(from).includes(node);
  const voters = put(incoming(from), to === "voter");
  return {
    ...from,
    sets: isJoint(from) ? [voters, outgoing(from)] : [voters],
    standbys: put(from.standbys, to === "standby" && !stillVotes),
    standbysNext: put(from.standbysNext, to === "standby" && stillVotes),
    observers: put(from.observers, to === "observer"),
    lost: put(from.lost, to === "lost"),
  };
}

function difference(a: readonly NodeId[], b: readonly NodeId[]): number {
  return a.filter((id) => !b.includes(id)).length + b.filter((id) => !a.includes(id)).length;
}

/** The configuration `change` asks for, or why it makes no sense from `from`. */
export function planChange(from: Configuration, change: ConfigChange): ChangeResult {
  if (change.op === "leaveJoint") return leaveJoint(from);
  if (change.op === "swap") {
    if (roleOf(from, change.out) !== "voter") return refuse(`"${change.out}" is no voter`);
    if (roleOf(from, change.in) !== "standby") return refuse(`"${change.in}" is no standby`);
    const moves: Move[] = [
      { node: change.in, to: "voter" },
      { node: change.out, to: "standby" },
    ];
    return enterJoint(from, moves, true);
  }
  const role = roleOf(from, change.node);
  const { allowed, to } = transitions[change.op];
  if (!allowed.includes(role)) {
    return refuse(`cannot ${change.op} "${change.node}", which is ${role ?? "no member"}`);
  }
  return changeSimply(from, [{ node: change.node, to }]);
}

type SingleOp = Exclude<ConfigChange["op"], "swap" | "leaveJoint">;
interface Transition {
  readonly allowed: readonly (MemberRole | null)[];
  readonly to: MemberRole | null;
}

const transitions: { readonly [K in SingleOp]: Transition } = {
  promote: { allowed: ["standby"], to: "voter" },
  demote: { allowed: ["voter"], to: "standby" },
  lose: { allowed: ["voter", "standby", "observer"], to: "lost" },
  addStandby: { allowed: [null, "observer", "lost"], to: "standby" },
  addObserver: { allowed: [null, "standby", "lost"], to: "observer" },
  remove: { allowed: ["voter", "standby", "observer", "lost"], to: null },
};
