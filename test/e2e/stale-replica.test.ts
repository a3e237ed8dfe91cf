/** An agent that was away knows neither who joined since nor who leads; it catches up all the same. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort, TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("stale replica");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

interface Status {
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly unknown[];
  readonly nodes: { readonly total: number };
}

const status = (agent: TestAgent) => agent.get<Status>("/v1/status");

async function haveVoters(agent: TestAgent, count: number): Promise<void> {
  const what = `${agent.name} sees ${count} voters`;
  await until({ what }, async () => (await status(agent)).voters.length === count);
}

it("follows a leader that was admitted while it was away", async () => {
  const [first, away] = [cluster.agent(0), cluster.agent(1)];
  await away.kill("SIGKILL");
  await haveVoters(first, 1);
  const later = new TestAgent("later", cluster.folder, await freePort());
  cluster.agents.push(later);
  await cluster.join(later);
  await haveVoters(first, 2);
  const moved = await first.api("POST", "/v1/operator/transfer", { body: {} });
  assert.is(moved.status, 200, moved.text);
  cluster.restart(away);
  await until({ what: "the one that was away follows the new leader" }, async () => {
    const { leader, nodes } = await status(away);
    return leader?.name === later.name && nodes.total === 3;
  });
});

it.run();
