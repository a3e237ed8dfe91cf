/** An agent that the leader does not stream to: it has everything all the same, and gets a place when one is free. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort, TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("observers");

interface Raft {
  readonly id: string;
  readonly appliedIndex: number;
  readonly stateHash: string | null;
  readonly configuration: {
    readonly voters: readonly (readonly string[])[];
    readonly standbys: readonly string[];
  };
  readonly peers: readonly unknown[];
}

const raftOf = (agent: TestAgent): Promise<Raft> => agent.get<Raft>("/v1/operator/raft");

async function hasPlace(agent: TestAgent, by: TestAgent): Promise<boolean> {
  const { id } = await raftOf(agent);
  const { voters, standbys } = (await raftOf(by)).configuration;
  return [...voters.flat(), ...standbys].includes(id);
}

it("the fifth of five observes, writes, reads, and takes a place when a voter dies", async () => {
  const args = ["--max-voters", "3", "--max-standbys", "1"];
  await using cluster = await TestCluster.start({ size: 4, args });
  const observer = new TestAgent("n5", cluster.folder, await freePort());
  cluster.agents.push(observer);
  await until({ what: "the fourth is a standby" }, async () => {
    return (await raftOf(await cluster.leader())).configuration.standbys.length === 1;
  });
  await cluster.join(observer);
  await cluster.ready(observer, 5);
  const leader = await cluster.leader();
  for (let i = 0; i < 10; i += 1) {
    const at = i % 2 === 0 ? observer : leader;
    const to = i % 2 === 0 ? leader : observer;
    const put = await at.api("PUT", `/v1/vars/key-${i}`, { body: { value: i } });
    assert.is(put.status, 200, `${at.name}: ${JSON.stringify(put.json)}`);
    const route = `/v1/vars/key-${i}?consistency=linearizable`;
    const read = await to.get<{ readonly value: unknown }>(route);
    assert.is(read.value, i, `${to.name} reads what ${at.name} wrote`);
  }
  assert.not(await hasPlace(observer, leader));
  assert.is((await raftOf(leader)).peers.length, 3, "the leader streams to three");
  await until({ what: "both have the same state" }, async () => {
    const [a, b] = await Promise.all([raftOf(leader), raftOf(observer)]);
    return a.appliedIndex === b.appliedIndex && a.stateHash === b.stateHash;
  });
  const others = cluster.agents.filter((agent) => agent !== leader && agent !== observer);
  const { voters } = (await raftOf(leader)).configuration;
  const ids = new Map<TestAgent, string>();
  for (const agent of others) ids.set(agent, (await raftOf(agent)).id);
  const victim = others.find((agent) => voters.flat().includes(ids.get(agent) ?? ""));
  assert.ok(victim !== undefined);
  await victim.kill("SIGKILL");
  await until({ what: "the observer has a place", deadlineMs: 60_000 }, async () =>
    hasPlace(observer, await cluster.leader()),
  );
  const put = await observer.api("PUT", "/v1/vars/last", { body: { value: "word" } });
  assert.is(put.status, 200);
});

it.run();
