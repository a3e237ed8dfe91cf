/** The configuration that a forced generation begins with. */
import { assert } from "../../base/assert.ts";
import { configurationFault, roleOf, type MemberRole } from "../core/configuration.ts";
import { type Configuration, type Index, type NodeId } from "../core/types.ts";
import { type Generation } from "./types.ts";

const maxVoters = 5;
const maxStandbys = 5;
const rank: { readonly [role in MemberRole]: number } = {
  voter: 0,
  standby: 1,
  observer: 2,
  lost: 3,
};

/**
 * An odd number of the members votes, the coordinator first and then who had a say before; two both vote, so that both
 * hold what is acknowledged. Who may not vote yet would leave the generation without a leader: it stands by. The others
 * of the former configuration are remembered as lost.
 * @param index that of the ForceConfig entry: one behind the fork.
 */
export function forceConfiguration(
  former: Configuration,
  child: Pick<Generation, "members" | "coordinator" | "abstaining">,
  index: Index,
): Configuration {
  const { members: survivors, coordinator: best, abstaining = [] } = child;
  assert(survivors.includes(best), "who coordinates survives");
  const formerRank = (id: NodeId): number => rank[roleOf(former, id) ?? "lost"];
  const others = survivors.filter((id) => id !== best);
  others.sort((a, b) => formerRank(a) - formerRank(b) || (a < b ? -1 : 1));
  const ordered = [best, ...others];
  const able = ordered.filter((id) => id === best || !abstaining.includes(id));
  const voters = able.slice(0, voterCount(able.length));
  const rest = ordered.filter((id) => !voters.includes(id));
  const { sets, standbys, observers, lost } = former;
  const members = new Set([...sets.flat(), ...standbys, ...observers, ...lost]);
  const forced: Configuration = {
    index,
    sets: [voters.toSorted()],
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
