/** The leader is killed while work goes on: the work goes on, the log is whole, nothing happens twice. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import {
  cleanAll,
  configured,
  createJob,
  jobEnded,
  ledger,
  logs,
  node,
  nodes,
  setVars,
  startedActions,
} from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("leader loss");
let cluster: TestCluster;
let root: string;

it.before(async () => {
  cluster = await TestCluster.start({ size: 3 });
  root = path.join(cluster.folder, "site");
  const url = await appRepository(cluster.folder);
  await cluster.first.api("PUT", "/v1/config/source", { body: { url } });
  for (const agent of cluster.agents) await configured(agent);
  await setVars(cluster.first, { root });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

it("goes on with a commission when the leader is killed in the middle", async () => {
  const leader = await cluster.leader();
  const target = await cluster.follower();
  const alive = () => cluster.live(leader);
  const job = await createJob(alive, {
    action: "commission",
    nodes: [target.name],
    roles: ["app"],
    vars: { hold: true },
  });
  await until({ what: "the action runs" }, () =>
    startedActions(root).includes(`${target.name} app configure`),
  );
  await leader.kill("SIGKILL");
  const next = await cluster.leader(leader);
  assert.is.not(next.name, leader.name);
  writeFileSync(path.join(root, "release"), "");
  const ended = await jobEnded(alive, job.id);
  assert.is(ended.status, "succeeded", JSON.stringify(ended.nodes));
  assert.equal(
    startedActions(root).filter((line) => line === `${target.name} app configure`).length,
    1,
    "the action ran once",
  );

  cluster.restart(leader);
  await cluster.settled(3);
  for (const agent of cluster.agents) {
    const lines = await until({ what: `${agent.name} has the whole log` }, async () => {
      const all = await logs(agent, job.id);
      return all.some((line) => line.text === "configured one") ? all : null;
    });
    const texts = lines.map((line) => line.text);
    assert.ok(texts.indexOf("held") >= 0 && texts.indexOf("held") < texts.indexOf("released"));
    assert.is(new Set(lines.map((line) => `${line.run} ${line.offset}`)).size, lines.length);
  }
  for (const one of await nodes(alive())) {
    assert.ok(["discovered", "commissioned"].includes(one.phase), `${one.name} is ${one.phase}`);
    assert.is(one.job, null);
  }
});

it("serves a read of what was written just before on every agent, without the old leader", async () => {
  const leader = await cluster.leader();
  await setVars(leader, { before: "the kill" });
  await leader.kill("SIGKILL");
  const rest = cluster.agents.filter((agent) => agent.running);
  for (const agent of rest) {
    const seen = await until({ what: `${agent.name} answers` }, async () => {
      const answer = await agent.api("GET", "/v1/vars/before?consistency=linearizable");
      return answer.status === 200 ? (answer.json as { value: string }) : null;
    });
    assert.is(seen.value, "the kill");
  }
  cluster.restart(leader);
  await cluster.settled(3);
});

it("ends a three-node job right whichever of its entries the leader dies at", async () => {
  // Each round kills the leader when the job's record has moved one version further than in the last round.
  await cleanAll(() => cluster.live());
  const rounds = Number(process.env["MUSTER_TEST_KILL_ROUNDS"] ?? "8");
  for (let round = 0; round < rounds; round += 1) {
    const leader = await cluster.leader();
    const alive = () => cluster.live(leader);
    const action = round % 2 === 0 ? "commission" : "cleanup";
    const body =
      action === "commission" ? { action, all: true, roles: ["app"] } : { action, all: true };
    const job = await createJob(alive, body);
    const seen = new Set<number>();
    await until({ what: `entry ${round} of the job`, everyMs: 1 }, async () => {
      const now = await alive().get<{ version: number; endedAt: string | null }>(
        `/v1/jobs/${job.id}`,
      );
      seen.add(now.version);
      return seen.size > round * 2 || now.endedAt !== null;
    });
    await leader.kill("SIGKILL");
    await cluster.leader(leader);
    cluster.restart(leader);
    const ended = await jobEnded(() => cluster.live(), job.id, 120_000);
    await cluster.settled(3);
    for (const name of Object.keys(ended.nodes)) {
      const entries = await ledger(cluster.first, name);
      const runs = entries.map((entry) => entry.run).filter((run) => run.startsWith(job.id));
      assert.is(new Set(runs).size, runs.length, `round ${round}: a run is in the ledger twice`);
      const one = await node(cluster.first, name);
      assert.ok(!one.phase.endsWith("ing"), `round ${round}: ${name} is ${one.phase}`);
      assert.is(one.job, null);
    }
    assert.is(ended.status, "succeeded", `round ${round}: ${JSON.stringify(ended.nodes)}`);
  }
});

it.run();
