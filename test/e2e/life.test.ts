/** A node's whole life on three real agents: files and services are really there, then really gone. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import {
  configured,
  jobEnded,
  ledger,
  logs,
  node,
  nodes,
  patchNode,
  runJob,
  setVars,
  startedActions,
} from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("a node's life");
let cluster: TestCluster;
let root: string;
const agent = () => cluster.first;
const confOf = (name: string): string => path.join(root, name, "app.conf");

it.before(async () => {
  cluster = await TestCluster.start({ size: 3 });
  root = path.join(cluster.folder, "site");
  const url = await appRepository(cluster.folder);
  const answer = await agent().api("PUT", "/v1/config/source", { body: { url } });
  assert.is(answer.status, 200, answer.text);
  await configured(agent());
  await setVars(agent(), { root });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

it("lists every node once, discovered and with facts, on every agent", async () => {
  for (const asked of cluster.agents) {
    const seen = await until({ what: `${asked.name} has all facts` }, async () => {
      const all = await nodes(asked);
      return all.length === 3 && all.every((one) => one.facts !== null) ? all : null;
    });
    assert.equal(
      seen.map((one) => one.name),
      ["n1", "n2", "n3"],
    );
    for (const one of seen) {
      assert.is(one.phase, "discovered");
      assert.is(one.reachability, "reachable");
      assert.ok(one.facts?.["bootId"] !== "" && one.facts?.["cpu"] !== undefined);
    }
  }
});

it("commissions all nodes with a role: the files are there, verified, in the ledger", async () => {
  const job = await runJob(agent, { action: "commission", all: true, roles: ["app"] });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  for (const one of await nodes(cluster.agent(1))) {
    assert.is(one.phase, "commissioned");
    assert.equal(one.roles, ["app"]);
    assert.is(readFileSync(confOf(one.name), "utf8"), "one");
    const entries = await ledger(cluster.agent(2), one.name);
    assert.equal(
      entries.map((entry) => `${entry.role} ${entry.action} ${entry.outcome}`),
      ["app verify succeeded", "app configure succeeded"],
    );
  }
});

it("upgrades with a changed variable", async () => {
  await setVars(cluster.agent(1), { value: "two" });
  const job = await runJob(agent, { action: "upgrade", all: true });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  for (const name of ["n1", "n2", "n3"]) assert.is(readFileSync(confOf(name), "utf8"), "two");
});

it("takes a variable of one node before the cluster's", async () => {
  assert.is((await patchNode(agent(), "n2", { vars: { value: "mine" } })).status, 200);
  const job = await runJob(agent, { action: "upgrade", nodes: ["n2"] });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  assert.is(readFileSync(confOf("n2"), "utf8"), "mine");
  assert.is(readFileSync(confOf("n1"), "utf8"), "two");
});

it("shows drift as a condition that says what drifted", async () => {
  writeFileSync(confOf("n3"), "tampered");
  const job = await runJob(agent, { action: "verify", all: true });
  assert.is(job.nodes["n3"]?.exitCode, 2, JSON.stringify(job.nodes));
  assert.is(job.nodes["n1"]?.exitCode, 0);
  const drifted = await node(agent(), "n3");
  assert.is(drifted.phase, "commissioned");
  const condition = drifted.conditions.find((one) => one.type === "Configured");
  assert.is(condition?.status, "Drifted");
  assert.match(condition?.message ?? "", /says tampered/);
  const healthy = (await node(agent(), "n1")).conditions.find((one) => one.type === "Configured");
  assert.is(healthy?.status, "True");
  const cli = await agent().cli(["verify", "n3"]);
  assert.is(cli.code, 3, cli.stderr);
  assert.is((await agent().cli(["verify", "n1"])).code, 0);
});

it("ends in failed with step, exit code and log after its own cleanup, the others untouched", async () => {
  const cleaned = await runJob(agent, { action: "cleanup", all: true });
  assert.is(cleaned.status, "succeeded", JSON.stringify(cleaned.nodes));
  assert.not(existsSync(confOf("n1")));
  assert.is((await node(agent(), "n1")).phase, "discovered");
  const before = startedActions(root).length;
  const vars = { fail_configure: ["n2"] };
  const job = await runJob(agent, { action: "commission", all: true, roles: ["app"], vars });
  assert.is(job.status, "failed");
  assert.is(job.nodes["n1"]?.status, "succeeded");
  assert.is(job.nodes["n3"]?.status, "succeeded");
  const bad = job.nodes["n2"];
  assert.is(bad?.status, "failed");
  assert.match(bad?.step ?? "", /configure/);
  assert.is(bad?.exitCode, 3);
  assert.is((await node(agent(), "n2")).phase, "failed");
  assert.not(existsSync(confOf("n2")));
  assert.ok(existsSync(confOf("n1")) && existsSync(confOf("n3")));
  const onNode = startedActions(root)
    .slice(before)
    .filter((line) => line.startsWith("n2 "));
  assert.equal(onNode, ["n2 app configure", "n2 app cleanup"]);
  const lines = await logs(cluster.agent(2), job.id, "?node=n2");
  assert.ok(lines.some((line) => line.text.includes("this was meant to fail")));
});

it("retries only what failed, and a new commission mends it", async () => {
  const before = startedActions(root).length;
  const jobs = await agent().get<{ items: { id: string }[] }>("/v1/jobs?limit=1");
  const id = jobs.items[0]?.id ?? "";
  // The variable that makes it fail belongs to the job: it fails again, on that node alone.
  const retried = await agent().api("POST", `/v1/jobs/${id}/retry`);
  assert.is(retried.status, 200, retried.text);
  const again = await jobEnded(agent, id);
  assert.is(again.status, "failed");
  assert.is(again.nodes["n1"]?.status, "succeeded");
  const job = await runJob(agent, { action: "commission", nodes: ["n2"], roles: ["app"] });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  assert.equal(startedActions(root).slice(before), [
    "n2 app configure",
    "n2 app cleanup",
    "n2 app configure",
    "n2 app verify",
  ]);
});

it("never calls a node decommissioned whose cleanup failed, unless forced", async () => {
  const vars = { fail_cleanup: ["n3"] };
  const job = await runJob(agent, { action: "decommission", nodes: ["n3"], vars });
  assert.is(job.status, "failed");
  assert.is((await node(agent(), "n3")).phase, "failed");
  const forced = { action: "decommission", nodes: ["n3"], vars, force: true };
  await runJob(agent, forced);
  assert.is((await node(agent(), "n3")).phase, "decommissioned");
  const back = await runJob(agent, { action: "commission", nodes: ["n3"], roles: ["app"] });
  assert.is(back.status, "succeeded", JSON.stringify(back.nodes));
});

it("decommissions: what was there is gone, the agents stay", async () => {
  const job = await runJob(agent, { action: "decommission", all: true });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  for (const one of await nodes(cluster.agent(1))) {
    assert.is(one.phase, "decommissioned");
    assert.not(existsSync(confOf(one.name)));
    assert.is(one.reachability, "reachable");
  }
});

it.run();
