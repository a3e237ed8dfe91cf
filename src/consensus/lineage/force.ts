/** The configuration that a forced generation begins with. */
import { assert } from "../../base/assert.ts";
import { configurationFault, roleOf, type MemberRole } from "../core/configuration.ts";
import { type Configuration, type Index, type NodeId } from "../core/types.ts";

const maxVoters = 5;
const maxStandbys = 5;
const rank: { readonly [role in MemberRole]: number } = {
  voter: 0,
  standby: 1,
  observer: 2,
  lost: 3,
};

/**
 * An odd number of the survivors votes, `best` first and then who had a say before; two survivors both vote, so that
 * both hold what is acknowledged. The others of the former configuration are remembered as lost.
 * @param index that of the ForceConfig entry: one behind the fork.
 */
export function forceConfiguration(
  former: Configuration,
  survivors: readonly NodeId[],
  best: NodeId,
  index: Index,
): Configuration {
  assert(survivors.includes(best), "who coordinates survives");
  const formerRank = (id: NodeId): number => rank[roleOf(former, id) ?? "lost"];
  const others = survivors.filter((id) => id !== best);
  others.sort((a, b) => formerRank(a) - formerRank(b) || (a < b ? -1 : 1));
  const ordered = [best, ...others];
  const voters = ordered.slice(0, voterCount(ordered.length));
  const rest = ordered.slice(voters.length);
  const { sets, standbys, observers, lost } = former;
  const members = new Set([...sets.flat(), ...standbys, ...observers, ...lost]);
  const forced: Configuration = {
    index,
    sets: [voters.sort()],
    standbys: rest.slice(0, maxStandbys).sort(),
    standbysNext: [],
    observers: [], // who has no place pulls, and is named nowhere
    lost: [...members].filter((id) => !survivors.includes(id)).sort(),
    autoLeave: false,
  };
  assert(configurationFault(forced) === null, "a forced configuration is well formed");
  return forced;
}

/** Largest odd number of at most five; two of two. */
export function voterCount(survivors: number): number {
  if (survivors === 2) return 2;
  const most = Math.min(survivors, maxVoters);
  return most % 2 === 0 ? most - 1 : most;
}
