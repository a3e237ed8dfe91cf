/** Logs of jobs: lines of any length, any number of them, readers of any speed, from any agent. */
import http from "node:http";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import { configured, createJob, jobEnded, logs, runJob, setVars } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("logs");
let cluster: TestCluster;
const stalled: http.ClientRequest[] = [];

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
  const url = await appRepository(cluster.folder);
  await cluster.first.api("PUT", "/v1/config/source", { body: { url } });
  for (const agent of cluster.agents) await configured(agent);
  await setVars(cluster.first, { root: path.join(cluster.folder, "site") });
});

it.after(async () => {
  for (const request of stalled) request.destroy();
  await cluster[Symbol.asyncDispose]();
});

it("keeps a line of one megabyte whole", async () => {
  const size = 1_000_000;
  const body = { action: "commission", nodes: ["n2"], roles: ["app"], vars: { big: size } };
  const job = await runJob(() => cluster.first, body);
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  for (const agent of cluster.agents) {
    const line = (await logs(agent, job.id)).find((one) => one.text.startsWith("xxx"));
    assert.is(line?.text.length, size);
  }
});

it("is not slowed by a follower that stops reading, and gives a late one all 100 000 lines", async () => {
  const lines = 100_000;
  const job = await createJob(() => cluster.first, {
    action: "commission",
    nodes: ["n1"],
    roles: ["app"],
    vars: { lines },
  });
  for (const agent of cluster.agents) {
    const request = http.get({
      socketPath: agent.socket,
      path: `/v1/jobs/${job.id}/logs?follow=true`,
    });
    request.on("response", (response) => response.pause());
    request.on("error", () => undefined);
    stalled.push(request);
  }
  const ended = await jobEnded(() => cluster.first, job.id);
  assert.is(ended.status, "succeeded", JSON.stringify(ended.nodes));
  for (const agent of cluster.agents) {
    const texts = (await logs(agent, job.id)).map((line) => line.text);
    const numbered = texts.filter((text) => text.startsWith("line "));
    assert.is(numbered.length, lines, agent.name);
    assert.is(numbered.at(-1), `line ${lines - 1}`);
  }
});

it("follows live, and resumes where it was without a gap or a double line", async () => {
  const body = { action: "upgrade", nodes: ["n1"], vars: { lines: 2000 } };
  const job = await createJob(() => cluster.first, body);
  const followed = await cluster.agent(1).cli(["jobs", "logs", "-f", job.id]);
  assert.is(followed.code, 0, followed.stderr);
  const texts = followed.stdout.split("\n").filter((line) => line.startsWith("line "));
  assert.is(texts.length, 2000);
  const all = await logs(cluster.first, job.id);
  const middle = all[700];
  assert.ok(middle);
  const answer = await until({ what: "the stream is given again from its middle" }, async () => {
    const first = await cluster.agent(1).api("GET", `/v1/jobs/${job.id}/logs`, {
      headers: { accept: "text/event-stream" },
    });
    return first.status === 200 ? first : null;
  });
  const ids = [...answer.text.matchAll(/^id: ?(.*)$/gm)].map((match) => match[1] ?? "");
  assert.ok(ids.length >= all.length, `${ids.length} events have an id`);
  const resumed = await cluster.first.api("GET", `/v1/jobs/${job.id}/logs`, {
    headers: { accept: "text/event-stream", "last-event-id": ids[700] ?? "" },
  });
  const rest = [...resumed.text.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1] ?? "");
  const texts2 = rest.map((data) => (JSON.parse(data) as { text?: string }).text);
  assert.is(texts2[0], all[701]?.text);
});

it("never shows the value of a secret variable: not in logs, answers or process arguments", async () => {
  const vars = { password: "hunter2-very-secret", print_secret: true };
  await setVars(cluster.first, vars);
  const job = await runJob(() => cluster.first, {
    action: "upgrade",
    nodes: ["n1"],
  });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  const texts = (await logs(cluster.agent(1), job.id)).map((line) => line.text).join("\n");
  assert.match(texts, /the password is/);
  for (const route of [
    "/v1/vars",
    "/v1/vars/password",
    `/v1/jobs/${job.id}`,
    "/v1/nodes/n1/ledger",
    "/v1/events",
  ]) {
    const answer = await cluster.first.api("GET", route);
    assert.not.match(answer.text, /hunter2/, route);
  }
  assert.not.match(texts, /hunter2/);
  for (const agent of cluster.agents) assert.not.match(agent.log(), /hunter2/);
});

it.run();
