/** The target's agent, its shim, or both are killed while an action runs. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isJsonObject } from "../../src/base/json.ts";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import {
  cleanAll,
  configured,
  createJob,
  jobEnded,
  logs,
  node,
  setVars,
  startedActions,
} from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("target loss");
let cluster: TestCluster;
let root = "";
let round = 0;

it.before(async () => {
  cluster = await TestCluster.start({ size: 3 });
  const url = await appRepository(cluster.folder);
  await cluster.first.api("PUT", "/v1/config/source", { body: { url } });
  for (const agent of cluster.agents) await configured(agent);
});

it.before.each(async () => {
  await cleanAll(() => cluster.live());
  round += 1;
  root = path.join(cluster.folder, `site-${round}`);
  await setVars(cluster.first, { root });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Begins a commission of a follower that holds until released. */
async function heldJob(): Promise<{ readonly id: string; readonly target: TestAgent }> {
  const target = await cluster.follower();
  const job = await createJob(() => cluster.live(target), {
    action: "commission",
    nodes: [target.name],
    roles: ["app"],
    vars: { hold: true },
  });
  await until({ what: "the action runs" }, () =>
    startedActions(root).includes(`${target.name} app configure`),
  );
  return { id: job.id, target };
}

function release(): void {
  writeFileSync(path.join(root, "release"), "");
}

/** Pid of the shim of the run that has not ended. */
async function shimPid(target: TestAgent): Promise<number> {
  return until({ what: "the shim says its pid" }, () => {
    const runs = path.join(target.dataDir, "runs");
    for (const run of readdirSync(runs)) {
      const file = path.join(runs, run, "shim.json");
      if (existsSync(path.join(runs, run, "exit.json")) || !existsSync(file)) continue;
      const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
      if (isJsonObject(parsed) && typeof parsed["pid"] === "number") return parsed["pid"];
    }
    return null;
  });
}

async function startsOf(target: TestAgent): Promise<number> {
  const line = `${target.name} app configure`;
  return startedActions(root).filter((started) => started === line).length;
}

it("re-adopts the run of an agent that was killed: result and log are whole", async () => {
  const { id, target } = await heldJob();
  await target.kill("SIGKILL");
  cluster.restart(target);
  await cluster.ready(target, 3);
  release();
  const job = await jobEnded(() => cluster.live(), id);
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  assert.is(await startsOf(target), 1);
  const texts = (await logs(cluster.live(target), id)).map((line) => line.text);
  assert.ok(
    texts.includes("held") && texts.includes("released") && texts.includes("configured one"),
  );
});

it("finds the result of a run that ended while its agent was down", async () => {
  const { id, target } = await heldJob();
  await target.kill("SIGKILL");
  release();
  await until({ what: "the action has ended" }, () =>
    existsSync(path.join(root, target.name, "app.conf")),
  );
  cluster.restart(target);
  const job = await jobEnded(() => cluster.live(target), id);
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  assert.is(await startsOf(target), 1);
});

it("never calls a run whose shim was killed a success, and does not run it again", async () => {
  const { id, target } = await heldJob();
  process.kill(await shimPid(target), "SIGKILL");
  const job = await jobEnded(() => cluster.live(), id);
  assert.ok(["failed", "lost"].includes(job.nodes[target.name]?.status ?? ""), JSON.stringify(job));
  assert.is((await node(cluster.first, target.name)).phase, "failed");
  assert.is(await startsOf(target), 1);
});

it("never calls a run a success when shim and agent were both killed", async () => {
  const { id, target } = await heldJob();
  const shim = await shimPid(target);
  await target.kill("SIGKILL");
  process.kill(shim, "SIGKILL");
  cluster.restart(target);
  const job = await jobEnded(() => cluster.live(), id);
  assert.ok(["failed", "lost"].includes(job.nodes[target.name]?.status ?? ""), JSON.stringify(job));
  assert.is(await startsOf(target), 1);
});

it("stops a running action when its job is cancelled, and cleans up after it", async () => {
  const { id, target } = await heldJob();
  const answer = await cluster.live(target).api("POST", `/v1/jobs/${id}/cancel`);
  assert.is(answer.status, 200, answer.text);
  const job = await jobEnded(() => cluster.live(), id);
  assert.is(job.status, "cancelled");
  assert.is((await node(cluster.first, target.name)).phase, "failed");
  assert.ok(startedActions(root).includes(`${target.name} app cleanup`));
});

it.run();
