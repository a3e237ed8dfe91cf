/**
 * Who takes part: questions about a `Configuration` and its structural rules. How one becomes another is
 * config-change.ts; the bytes of a config entry are config-codec.ts.
 */
import { assert } from "../../base/assert.ts";
import { type Configuration, type NodeId } from "./types.ts";

export type MemberRole = "voter" | "standby" | "observer" | "lost";

/** A configuration without anybody: that of an agent that has not joined yet. It can neither vote nor win. */
export const emptyConfiguration: Configuration = {
  index: 0,
  sets: [],
  standbys: [],
  standbysNext: [],
  observers: [],
  lost: [],
  autoLeave: false,
};

export function simpleConfiguration(
  voters: readonly NodeId[],
  standbys: readonly NodeId[] = [],
): Configuration {
  const result = { ...emptyConfiguration, sets: [[...voters].sort()], standbys: [...standbys] };
  assert(voters.length > 0, "a simple configuration has a voter");
  assert(configurationFault(result) === null, "voters and standbys are distinct");
  return result;
}

export function isJoint(configuration: Configuration): boolean {
  return (configuration.sets[1]?.length ?? 0) > 0;
}

export function incoming(configuration: Configuration): readonly NodeId[] {
  return configuration.sets[0] ?? [];
}

export function outgoing(configuration: Configuration): readonly NodeId[] {
  return configuration.sets[1] ?? [];
}

/** Votes now, in any of the sets. */
export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.sets.some((set) => set.includes(id));
}

export function voterIds(configuration: Configuration): readonly NodeId[] {
  return [...new Set(configuration.sets.flat())];
}

/** Those the leader streams its log to. Observers pull, and the lost are only remembered. */
export function replicationTargets(configuration: Configuration): readonly NodeId[] {
  return [...new Set([...configuration.sets.flat(), ...configuration.standbys])];
}

/** The role `id` has now; a voter that is on its way out is still a voter. */
export function roleOf(configuration: Configuration, id: NodeId): MemberRole | null {
  if (isVoter(configuration, id)) return "voter";
  if (configuration.standbys.includes(id)) return "standby";
  if (configuration.observers.includes(id)) return "observer";
  return configuration.lost.includes(id) ? "lost" : null;
}

/** What is wrong with the structure of this configuration, or null. */
export function configurationFault(c: Configuration): string | null {
  const lists = [...c.sets, c.standbys, c.standbysNext, c.observers, c.lost];
  if (lists.some((list) => new Set(list).size !== list.length)) return "a list names a node twice";
  if (c.sets.length > 2) return "more than two voter sets";
  if (isJoint(c) && incoming(c).length === 0)
    return "a joint configuration without incoming voters";
  if (c.autoLeave && !isJoint(c)) return "leaves automatically without being joint";
  const stays = [...incoming(c), ...c.standbys, ...c.standbysNext, ...c.observers, ...c.lost];
  if (new Set(stays).size !== stays.length) return "a node has two roles";
  if (c.standbys.some((id) => outgoing(c).includes(id))) return "an outgoing voter is a standby";
  if (c.standbysNext.some((id) => !outgoing(c).includes(id))) {
    return "a node that becomes standby on leaving does not vote in the outgoing set";
  }
  return null;
}
