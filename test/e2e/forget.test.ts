/** The last but one node that is forgotten leaves a cluster that goes on, also when it led. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("forget");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

interface Status {
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly { readonly name: string }[];
}

async function votersOf(agent: TestAgent): Promise<readonly string[]> {
  return (await agent.get<Status>("/v1/status")).voters.map(({ name }) => name);
}

it("goes on alone when the leader of two is forgotten", async () => {
  const leader = await cluster.leader();
  const other = cluster.live(leader);
  const answer = await other.api("DELETE", `/v1/nodes/${leader.name}?force=true`);
  assert.is(answer.status, 204, answer.text);
  await until({ what: "the other one is the only voter" }, async () => {
    return (await votersOf(other)).join() === other.name;
  });
  assert.is(await leader.exited(), 7, "told, it ends by itself");
  assert.match(leader.log(), /MEMBER_EVICTED/);
  const written = await other.api("PUT", "/v1/vars/after", { body: { value: 1 } });
  assert.ok(written.status < 300, written.text);
});

it.run();
