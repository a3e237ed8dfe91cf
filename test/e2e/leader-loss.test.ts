/** The leader is killed while work goes on: the work goes on, the log is whole, nothing happens twice. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import {
  cleanAll,
  configured,
  createJob,
  type JobBody,
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

/**
 * What a commission of three nodes proposes: one job.create; for each node begin, two runs with begin and finish,
 * and finish; one job.finish.
 */
const entriesOfJob = 1 + 3 * 6 + 1;

/** Makes `agent` the leader, started so that it dies at a given entry of the next job. */
async function armLeader(agent: TestAgent, failpoint: string): Promise<void> {
  await agent.kill("SIGTERM");
  agent.start("agent", [], { MUSTER_FAILPOINT: failpoint });
  await cluster.settled(3);
  await until({ what: `${agent.name} leads`, everyMs: 200 }, async () => {
    const leader = await cluster.leader();
    if (leader === agent) return true;
    await leader.api("POST", "/v1/operator/transfer", { body: { to: agent.name } });
    return false;
  });
}

async function assertJobIsRight(job: JobBody, round: string): Promise<void> {
  for (const name of Object.keys(job.nodes)) {
    const entries = await ledger(cluster.live(), name);
    const runs = entries.map((entry) => entry.run).filter((run) => run.startsWith(job.id));
    assert.is(new Set(runs).size, runs.length, `${round}: a run is in the ledger twice`);
    assert.is(runs.length, 2, `${round}: ${name} has ${runs.join(" ")}`);
    const one = await node(cluster.live(), name);
    assert.is(one.phase, "commissioned", `${round}: ${name}`);
    assert.is(one.job, null);
  }
  assert.is(job.status, "succeeded", `${round}: ${JSON.stringify(job.nodes)}`);
}

it("ends a three-node job right when the leader dies before or after any entry it proposes", async () => {
  // Everywhere in CI; a stride makes a quick look possible: MUSTER_TEST_ENTRY_STRIDE=7.
  const stride = Number(process.env["MUSTER_TEST_ENTRY_STRIDE"] ?? "1");
  const victim = cluster.agent(0);
  let deaths = 0;
  for (let entry = 1; entry <= entriesOfJob; entry += stride) {
    const when = entry % 2 === 0 ? ["before", "after"] : ["after", "before"];
    for (const side of when) {
      const round = `${side}:${entry}`;
      await cleanAll(() => cluster.live());
      await armLeader(victim, round);
      const before = startedActions(root).length;
      const survivor = () => cluster.live(victim);
      const created = await createJob(survivor, {
        action: "commission",
        all: true,
        roles: ["app"],
      });
      const job = await jobEndedWithRestart(victim, created.id);
      if (job.died) deaths += 1;
      await assertJobIsRight(job.job, round);
      const started = startedActions(root).slice(before);
      assert.is(started.length, new Set(started).size, `${round}: ${started.join(", ")}`);
    }
  }
  assert.ok(deaths * stride >= entriesOfJob, `the leader died only ${deaths} times`);
});

/** Waits for the job's end; starts the victim again when it died, as its own runs wait for it. */
async function jobEndedWithRestart(
  victim: TestAgent,
  id: string,
): Promise<{ readonly job: JobBody; readonly died: boolean }> {
  let died = false;
  const job = await until({ what: `job ${id} ends`, deadlineMs: 90_000 }, async () => {
    if (!victim.running) {
      died = true;
      await cluster.leader(victim);
      cluster.restart(victim);
    }
    const now = await cluster.live(victim).get<JobBody>(`/v1/jobs/${id}`);
    return now.endedAt === null ? null : now;
  });
  await cluster.settled(3);
  return { job, died };
}

it.run();
