/** What a recovered log and lineage say about an agent that begins with them. */
import { must } from "../../base/assert.ts";
import {
  type Configuration,
  type CoreOptions,
  type Index,
  type RecoveredLog,
  type Term,
} from "../core/types.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type Lineage } from "../lineage/types.ts";

/** The configuration in force at `index`: that of the snapshot, or of a later entry. */
export function configAt({ configs, snapshot }: RecoveredLog, index: Index): Configuration {
  const known = snapshot === null ? configs : [snapshot.config, ...configs];
  const reached = known.filter((config) => config.index <= index);
  return must(
    reached.reduce<Configuration | undefined>(
      (newest, one) => (newest === undefined || one.index > newest.index ? one : newest),
      undefined,
    ) ?? known[0],
    "a recovered log has a configuration",
  );
}

/** The term at a retained position, or of the snapshot before them. */
export function termAt({ termRuns, snapshot }: RecoveredLog, index: Index): Term {
  return termRuns.findLast(({ first }) => first <= index)?.term ?? snapshot?.term ?? 0;
}

/** From which log on this agent may stand and vote in its generation (consensus.md §2.5). */
export function electable(lineage: Lineage): Pick<CoreOptions, "standFrom" | "voteFrom"> {
  const { parent, forkTerm } = currentGeneration(lineage);
  const { voteFrom } = lineage;
  return {
    ...(parent === null ? {} : { standFrom: { term: forkTerm + 1, index: 0 } }),
    ...(voteFrom === null ? {} : { voteFrom }),
  };
}
