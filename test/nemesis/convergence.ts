/** When faults are over, all replicas are one: at an equal index, the hash of the whole state is equal. */
import { type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";

interface StateHash {
  readonly index: number;
  readonly sha256: string;
}

/** Problems, none of them when every agent was seen with the same hash at one index not before `least`. */
export async function compareStates(
  agents: readonly TestAgent[],
  least: number,
): Promise<readonly string[]> {
  /** What was seen at an index, by agent. Small: while agents agree, one round is enough. */
  const seen = new Map<number, Map<string, string>>();
  const what = `all agents are seen at one index from ${least} on`;
  return until({ what, everyMs: 100 }, async () => {
    const hashes = await Promise.all(agents.map((agent) => hashOf(agent)));
    hashes.forEach(({ index, sha256 }, i) => {
      const at = seen.get(index) ?? new Map<string, string>();
      seen.set(index, at.set(agents[i]?.name ?? "", sha256));
    });
    const problems = [...seen].flatMap(([index, at]) => differences(index, at));
    if (problems.length > 0) return problems;
    const complete = [...seen].some(([index, at]) => index >= least && at.size === agents.length);
    return complete ? [] : null;
  });
}

function differences(index: number, at: ReadonlyMap<string, string>): readonly string[] {
  if (new Set(at.values()).size <= 1) return [];
  const shown = [...at].map(([name, hash]) => `${name} ${hash.slice(0, 12)}`).join(", ");
  return [`The state at index ${index} is not the same everywhere: ${shown}`];
}

async function hashOf(agent: TestAgent): Promise<StateHash> {
  const { stateHash } = await agent.get<{ readonly stateHash: StateHash }>(
    "/v1/operator/raft?stateHash=true",
  );
  return stateHash;
}
