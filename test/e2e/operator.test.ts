/** What an operator does through the CLI, on followers too: listings, settings, automation, streams, metrics. */
import { existsSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import { configured, jobEnded, node, nodes, setVars } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("operator");
let cluster: TestCluster;
let root: string;

it.before(async () => {
  cluster = await TestCluster.start({ size: 3 });
  root = path.join(cluster.folder, "site");
  const repository = await appRepository(cluster.folder);
  const set = await cluster.first.cli(["config", "set-repo", repository]);
  assert.is(set.code, 0, set.stderr);
  for (const agent of cluster.agents) await configured(agent);
  await setVars(cluster.first, { root });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Runs a verb on an agent; it must succeed. */
async function muster(agent: number, ...args: string[]): Promise<string> {
  const result = await cluster.agent(agent).cli(args);
  assert.is(result.code, 0, `muster ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

it("lists in every output format, the same on each agent", async () => {
  for (const agent of [0, 1, 2]) {
    assert.equal((await muster(agent, "nodes", "-o", "name")).trim().split("\n"), [
      "n1",
      "n2",
      "n3",
    ]);
    const parsed = JSON.parse(await muster(agent, "nodes", "-o", "json")) as { name: string }[];
    assert.is(parsed.length, 3);
    assert.match(await muster(agent, "nodes", "-o", "wide"), /NAME\s+PHASE[\s\S]*n1\s+discovered/);
    assert.match(await muster(agent, "nodes", "-o", "yaml"), /name: n1/);
    assert.match(await muster(agent, "members"), /n1\s+alive/);
    assert.match(await muster(agent, "status"), /leader\s+n\d/);
    assert.match(await muster(agent, "nodes", "show", "n2"), /kernel/);
    for (const verb of [
      ["jobs"],
      ["roles"],
      ["vars"],
      ["settings"],
      ["config"],
      ["token"],
      ["events"],
    ]) {
      await muster(agent, ...verb);
    }
  }
});

it("labels, selects, assigns roles and sets variables through a follower", async () => {
  await muster(1, "nodes", "label", "n2", "rack=r1", "disk=ssd");
  assert.is((await muster(2, "nodes", "-l", "rack=r1", "-o", "name")).trim(), "n2");
  await muster(1, "nodes", "role", "n2", "app");
  assert.is((await muster(0, "nodes", "-l", "role=app", "-o", "name")).trim(), "n2");
  await muster(2, "nodes", "role", "n2", "app-");
  await muster(2, "nodes", "label", "n2", "disk-");
  const seen = await node(cluster.agent(1), "n2");
  assert.equal(seen.labels, { rack: "r1" });
  assert.equal(seen.roles, []);
  await muster(0, "vars", "set", "number=3", "text=abc", 'object={"a":[1]}');
  assert.is((await muster(2, "vars", "get", "object")).trim(), '{"a":[1]}');
  await muster(0, "vars", "unset", "number");
  assert.is((await cluster.agent(1).cli(["vars", "get", "number"])).code, 4);
  assert.is((await cluster.first.cli(["nodes", "show", "nobody"])).code, 4);
});

it("shows what a job would do without doing it, detaches, and finds the job again", async () => {
  const dry = await muster(1, "commission", "n3", "--role", "app", "--dry-run");
  assert.match(dry, /nothing was changed/);
  assert.is((await node(cluster.first, "n3")).phase, "discovered");
  const id = (await muster(1, "commission", "n3", "--role", "app", "--detach")).trim();
  const ended = await jobEnded(() => cluster.agent(2), id);
  assert.is(ended.status, "succeeded", JSON.stringify(ended.nodes));
  assert.match(await muster(2, "jobs", "show", "last"), new RegExp(id));
  assert.match(await muster(0, "jobs", "show", id.slice(0, 16)), /succeeded/);
  assert.match(await muster(1, "jobs", "logs", "last"), /configured one/);
  const refused = await cluster.first.cli(["commission", "n3", "ghost", "--role", "app"]);
  assert.is(refused.code, 5, refused.stdout);
  assert.match(refused.stderr, /ghost/);
});

it("commissions discovered nodes by itself as soon as the setting says so, and only those that match", async () => {
  const before = await cluster.first.get<{ items: unknown[] }>("/v1/jobs");
  await muster(1, "settings", "set", "autoCommission.selector=rack=r1", "autoCommission.roles=app");
  await until({ what: "n2 is commissioned by itself", deadlineMs: 60_000 }, async () => {
    return (await node(cluster.first, "n2")).phase === "commissioned";
  });
  assert.ok(existsSync(path.join(root, "n2", "app.conf")));
  assert.is((await node(cluster.first, "n1")).phase, "discovered");
  const after = await cluster.first.get<{ items: unknown[] }>("/v1/jobs");
  assert.is(after.items.length, before.items.length + 1, "one job, made once");
  await muster(0, "settings", "set", "autoCommission=null");
});

it("tells a user event through one agent, and the others hear it once", async () => {
  const seen = (agent: number): Promise<string> => muster(agent, "events", "--user", "-o", "json");
  const told = JSON.parse(await muster(1, "event", "deploy", "web 42", "-o", "json")) as object;
  for (const agent of [0, 1, 2]) {
    await until({ what: `agent ${agent} heard of it` }, async () => (await seen(agent)) !== "");
    const { id, time, ...heard } = JSON.parse(await seen(agent)) as Record<string, unknown>;
    assert.equal({ ...told, id, time }, { id, time, ...heard });
    assert.equal([heard["name"], heard["payload"], heard["node"]], ["deploy", "web 42", "n2"]);
  }
});

it("follows events from a point on, and answers why", async () => {
  const status = await cluster.first.get<{ appliedIndex: number }>("/v1/status");
  await setVars(cluster.agent(1), { noticed: 1 });
  const lines = (
    await muster(2, "events", "--since", String(status.appliedIndex), "-o", "json")
  ).trim();
  const events = lines
    .split("\n")
    .map((line) => JSON.parse(line) as { index: number; type: string });
  assert.ok(events.length >= 1);
  assert.ok(events.every((event) => event.index > status.appliedIndex));
  assert.match(await muster(1, "why", "n1"), /n1/);
});

it("hands leadership on without failing a write", async () => {
  const leader = await cluster.leader();
  const target = await cluster.follower();
  const failures: string[] = [];
  const state = { stop: false };
  const writing = (async () => {
    for (let i = 0; !state.stop; i += 1) {
      const answer = await cluster.first.api("PUT", "/v1/vars/during", { body: { value: i } });
      if (answer.status !== 200) failures.push(answer.text);
    }
  })();
  const moved = await leader.cli(["operator", "transfer", target.name]);
  assert.is(moved.code, 0, moved.stderr);
  await until({ what: `${target.name} leads` }, async () => (await cluster.leader()) === target);
  state.stop = true;
  await writing;
  assert.equal(failures, []);
});

it("serves metrics, health and its own description", async () => {
  for (const agent of cluster.agents) {
    const metrics = await agent.api("GET", "/metrics");
    assert.match(metrics.text, /^muster_raft_commit_index \d+/m);
    assert.match(metrics.text, /^muster_gossip_members\{status="alive"\} 3/m);
    assert.match(metrics.text, /^muster_inventory_nodes\{phase="commissioned"\} 2/m);
    assert.is((await agent.api("GET", "/healthz")).status, 200);
    assert.is((await agent.api("GET", "/readyz")).status, 200);
    const described = await agent.get<{ openapi: string; paths: object }>("/openapi.json");
    assert.match(described.openapi, /^3\.1/);
    assert.ok("/v1/jobs/{id}/logs" in described.paths);
  }
});

it("answers reads, marked, and refuses writes with the reason when the majority is gone", async () => {
  const [first, second, third] = cluster.agents;
  assert.ok(first && second && third);
  // Or it would go on by itself within seconds: the supervisors attest that the others ended.
  const off = await first.api("PATCH", "/v1/settings", { body: { survivor: { auto: "off" } } });
  assert.is(off.status, 200, off.text);
  await Promise.all([second.kill("SIGKILL"), third.kill("SIGKILL")]);
  await until(
    { what: "the survivor knows that it has no majority", deadlineMs: 30_000 },
    async () => {
      const answer = await first.api("GET", "/v1/nodes");
      return answer.status === 200 && answer.headers["muster-mode"] === "read-only";
    },
  );
  assert.is((await nodes(first)).length, 3);
  const refused = await first.api("PUT", "/v1/vars/x", { body: { value: 1 } });
  assert.is(refused.status, 503, refused.text);
  assert.ok(refused.headers["retry-after"] !== undefined);
  const cli = await first.cli(["vars", "set", "x=1"]);
  assert.is(cli.code, 6, cli.stderr);
  assert.is((await first.api("GET", "/readyz")).status, 503);
  cluster.restart(second);
  await until({ what: "writes go on with two of three", deadlineMs: 30_000 }, async () => {
    return (await first.api("PUT", "/v1/vars/x", { body: { value: 2 } })).status === 200;
  });
});

it.run();
