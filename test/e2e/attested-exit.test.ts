/** Two voters, and the leader's process dies: its supervisor says so, and the other goes on with nothing lost. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster, type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("attested exit");

interface Status {
  readonly mode: string;
  readonly cluster: { readonly generation: number };
  readonly voters: readonly { readonly name: string }[];
}

async function put(agent: TestAgent, key: string, value: number): Promise<number> {
  const answer = await agent.api("PUT", `/v1/vars/${key}`, { body: { value }, timeoutMs: 15_000 });
  return answer.status;
}

it("lets the other voter go on at once, and the dead one come back", async () => {
  await using cluster = await TestCluster.start({ size: 2 });
  const leader = await cluster.leader();
  const other = cluster.live(leader);
  assert.is(await put(leader, "before", 1), 200);
  await leader.kill("SIGKILL");
  await until({ what: "the other takes writes", deadlineMs: 20_000 }, async () => {
    return (await put(other, "after", 2)) === 200;
  });
  const status = await other.get<Status>("/v1/status");
  assert.is(status.mode, "normal", "nobody else can act, so nothing is provisional");
  assert.is(status.cluster.generation, 2);
  const vars = await other.get<{ vars: Record<string, number> }>("/v1/vars");
  assert.equal([vars.vars["before"], vars.vars["after"]], [1, 2]);

  cluster.restart(leader);
  await cluster.settled(2);
  await until({ what: "both vote in the new generation" }, async () => {
    const seen = await leader.get<Status>("/v1/status");
    return seen.cluster.generation === 2 && seen.voters.length === 2;
  });
  const back = await leader.get<{ vars: Record<string, number> }>("/v1/vars");
  assert.is(back.vars["after"], 2);
});

it("is not used when the agent is back before anybody asked", async () => {
  await using cluster = await TestCluster.start({ size: 3 });
  const leader = await cluster.leader();
  await leader.kill("SIGKILL");
  cluster.restart(leader);
  await cluster.settled(3);
  const status = await leader.get<Status>("/v1/status");
  assert.is(status.cluster.generation, 1);
  assert.is(await put(leader, "k", 1), 200);
});

it.run();
