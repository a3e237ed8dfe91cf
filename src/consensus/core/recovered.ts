/** The recovered log of a store that never held anything. */
import { emptyConfiguration } from "./configuration.ts";
import { type Configuration, type RecoveredLog } from "./types.ts";

/** `bootstrap` is the first configuration of a new cluster; null for an agent that joins one. */
export function emptyRecoveredLog(bootstrap: Configuration | null): RecoveredLog {
  return {
    hardState: { term: 0, vote: null, commit: 0 },
    configs: [bootstrap ?? emptyConfiguration],
    snapshot: null,
    firstIndex: 1,
    lastIndex: 0,
    termRuns: [],
    tail: [],
    applied: 0,
  };
}
