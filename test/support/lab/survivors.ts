/** A few agents on hosts of their own for tests of survivor mode: how hosts die, who goes on, what everybody has kept. */
import * as assert from "uvu/assert";
import { processesOf, type TestAgent } from "../agents.ts";
import { until } from "../until.ts";
import { Lab, type LabOptions } from "./lab.ts";

export interface Status {
  readonly mode: string;
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly { readonly name: string }[];
  readonly cluster: {
    readonly generation: number;
    readonly generationId: string;
    readonly provisional: boolean;
  } | null;
}

/** Settings that make survivor mode a matter of seconds. */
export const quick = ["survivor.silence=2s", "survivor.cold=4s"];
export const statusOf = (agent: TestAgent): Promise<Status> => agent.get<Status>("/v1/status");

export async function start(
  size: number,
  settings: readonly string[] = quick,
  options: Pick<LabOptions, "args" | "spare"> = {},
): Promise<Lab> {
  const lab = await Lab.start({ size, ...options });
  const { code, stderr } = await lab.agent("n1").cli(["settings", "set", ...settings]);
  assert.is(code, 0, stderr);
  return lab;
}

/** Nobody is left to attest anything, as when the host loses power. */
export async function hostDies(agent: TestAgent): Promise<void> {
  for (const pid of await processesOf(agent.dataDir)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended with its parent.
    }
  }
  await agent.kill("SIGKILL");
}

/** A write, or null when it was not acknowledged. */
export async function put(agent: TestAgent, key: string): Promise<string | null> {
  const answer = await agent
    .api("PUT", `/v1/vars/${key}`, { body: { value: key }, timeoutMs: 8000 })
    .catch(() => null);
  return answer?.status === 200 ? key : null;
}

export async function written(agent: TestAgent, key: string): Promise<string> {
  return until({ what: `${agent.name} takes ${key}`, deadlineMs: 45_000 }, () => put(agent, key));
}

/** All that run are in one generation that is not provisional, with as many voters as there should be. */
export async function whole(lab: Lab, voters: number): Promise<void> {
  await until({ what: "one history again", deadlineMs: 90_000 }, async () => {
    const running = lab.agents.filter((agent) => agent.running);
    const states = await Promise.all(running.map((agent) => statusOf(agent).catch(() => null)));
    const [first] = states;
    return states.every(
      (state) =>
        state?.mode === "normal" &&
        state.cluster?.generationId === first?.cluster?.generationId &&
        state.voters.length === voters,
    );
  });
}

export async function assertKept(lab: Lab, keys: readonly string[]): Promise<void> {
  for (const agent of lab.agents) {
    const { vars = {} } = await agent.get<{ vars?: Record<string, unknown> }>("/v1/vars");
    const known = JSON.stringify(vars);
    const lost = keys.filter((key) => !known.includes(`"${key}"`));
    assert.equal(lost, [], `lost on ${agent.name}`);
  }
}
