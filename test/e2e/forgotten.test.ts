/** A node that was forgotten while its agent was down is told so when it comes back, and founds nothing of its own. */
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("forgotten");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 4 });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

interface Status {
  readonly mode: string;
  readonly cluster: { readonly generation: number };
  readonly membership: { readonly removal: { readonly by: readonly string[] } | null };
}

async function forget(agent: TestAgent): Promise<void> {
  const answer = await cluster.live(agent).api("DELETE", `/v1/nodes/${agent.name}?force=true`);
  assert.is(answer.status, 204, answer.text);
}

it("is told by two members, ends with exit code 7, and does not start again", async () => {
  const gone = cluster.agent(3);
  await gone.kill("SIGKILL");
  await forget(gone);
  cluster.restart(gone);
  assert.is(await gone.exited(), 7);
  const end = gone.log().trim().split("\n").at(-1) ?? "";
  assert.match(end, /MEMBER_EVICTED/);
  assert.match(end, /told it\. To come back as a new node: empty/);
  const notice = await readFile(path.join(gone.dataDir, "removed.json"), "utf8");
  assert.is((JSON.parse(notice) as { by: string[] }).by.length, 2, notice);
  cluster.restart(gone);
  assert.is(await gone.exited(), 7, "it does not ask again");
  const { generation } = (await cluster.first.get<Status>("/v1/status")).cluster;
  assert.is(generation, 1, "the others noticed nothing");
});

it("joins as a new node once its data directory is empty", async () => {
  const gone = cluster.agent(3);
  await rm(gone.dataDir, { recursive: true });
  await cluster.join(gone);
  await cluster.ready(gone, 4);
  await gone.kill("SIGTERM");
  await forget(gone);
});

it("waits at the word of one member, whatever survivor mode says, until a second one says so", async () => {
  const [first, second, gone] = [cluster.agent(0), cluster.agent(1), cluster.agent(2)];
  const settings = { survivor: { silence: "3s", cold: "3s" } };
  const set = await first.api("PATCH", "/v1/settings", { body: settings });
  assert.ok(set.status < 300, set.text);
  // What follows tells it that the settings are committed, also when it starts again.
  for (const name of ["a", "b", "c"]) {
    await first.api("PUT", `/v1/vars/${name}`, { body: { value: 1 } });
    await until({ what: `${gone.name} has ${name}` }, async () => {
      return (await gone.api("GET", `/v1/vars/${name}`)).status === 200;
    });
  }
  await gone.kill("SIGKILL");
  await forget(gone);
  await second.kill("SIGKILL");
  cluster.restart(gone);
  await until({ what: "the one that is up says so" }, async () => {
    const { removal } = (await gone.get<Status>("/v1/status")).membership;
    return removal?.by.join() === first.name;
  });
  assert.is((await gone.api("GET", "/readyz")).status, 503);
  const shown = await gone.cli(["status"]);
  assert.match(shown.stdout, /removed\? +n1 says that this node was removed/);
  // Ten seconds after the first word it asks again; the cold wait is over by then.
  await until({ what: "it was told twice" }, () => {
    return gone.log().split("says that this agent was evicted").length > 2;
  });
  const write = await gone.api("PUT", "/v1/vars/own", { body: { value: 1 }, timeoutMs: 9000 });
  assert.is(write.status, 503, write.text);
  assert.match(write.text, /removed from the cluster/);
  const { mode, cluster: own } = await gone.get<Status>("/v1/status");
  assert.equal([mode, own.generation], ["read-only", 1]);
  cluster.restart(second);
  assert.is(await gone.exited(30_000), 7);
});

it.run();
