/** All agents stop and start: nothing is forgotten; what is still down is called unreachable. */
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processesOf, TestCluster } from "../support/agents.ts";
import { appRepository } from "../support/app-repository.ts";
import { configured, node, patchNode, runJob, setVars } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("restart");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 3, args: ["--snapshot-entries", "40"] });
  const url = await appRepository(cluster.folder);
  await cluster.first.api("PUT", "/v1/config/source", { body: { url } });
  await configured(cluster.first);
  const root = path.join(cluster.folder, "site");
  await setVars(cluster.first, { root, nested: { a: [1, 2, { b: null }] } });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const routes = [
  "/v1/nodes?limit=1000",
  "/v1/vars",
  "/v1/settings",
  "/v1/jobs",
  "/v1/roles",
  "/v1/config",
  "/v1/tokens",
  "/v1/nodes/n1/history",
  "/v1/nodes/n1/ledger",
  "/v1/nodes/n2/ledger",
];

/** Everything an operator can see, without what a restart rightly changes (reachability and its trace). */
async function picture(of: TestCluster): Promise<string> {
  const bodies: unknown[] = [];
  for (const route of routes) bodies.push(await of.live().get(route));
  const ignored = new Set(["reachability", "version", "history", "facts"]);
  return JSON.stringify(bodies, (key, value: unknown) => (ignored.has(key) ? undefined : value), 1);
}

it("ends by itself within five seconds of SIGTERM, and leaves no process", async () => {
  const begun = performance.now();
  await Promise.all(cluster.agents.map((agent) => agent.kill("SIGTERM")));
  assert.ok(performance.now() - begun < 5000, "an agent took more than 5 s to end");
  assert.equal(await processesOf(cluster.folder), []);
  for (const agent of cluster.agents) cluster.restart(agent);
  await cluster.settled(3);
});

it("remembers nodes, roles, labels, vars, settings, jobs, ledger and tokens after a restart of all", async () => {
  const labelled = await patchNode(cluster.first, "n2", { labels: { rack: "r1" }, vars: { x: 1 } });
  assert.is(labelled.status, 200, labelled.text);
  const job = await runJob(() => cluster.first, {
    action: "commission",
    nodes: ["n1", "n2"],
    roles: ["app"],
  });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  const settings = await cluster.first.api("PATCH", "/v1/settings", {
    body: { repair: "off" },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.is(settings.status, 200, settings.text);
  // Enough writes that all of it is in a snapshot, not only in the log.
  for (let i = 0; i < 100; i += 1) await setVars(cluster.first, { counter: i });
  const before = await picture(cluster);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await Promise.all(cluster.agents.map((agent) => agent.kill(signal)));
    for (const agent of cluster.agents) cluster.restart(agent);
    await cluster.settled(3);
    assert.is(await picture(cluster), before, `after ${signal}`);
  }
});

it("lists a node that stays down as unreachable, and as reachable when it is back", async () => {
  await Promise.all(cluster.agents.map((agent) => agent.kill("SIGTERM")));
  const [first, second, third] = cluster.agents;
  assert.ok(first && second && third);
  cluster.restart(first);
  cluster.restart(second);
  await cluster.ready(first, 3);
  await until({ what: "n3 is unreachable", deadlineMs: 60_000 }, async () => {
    return (await node(first, "n3")).reachability === "unreachable";
  });
  const members = await second.get<{ name: string; status: string }[]>("/v1/members");
  assert.is.not(members.find((member) => member.name === "n3")?.status, "alive");
  cluster.restart(third);
  await until({ what: "n3 is reachable again", deadlineMs: 60_000 }, async () => {
    return (await node(first, "n3")).reachability === "reachable";
  });
  const history = await first.get<{ items: { kind: string; to: string }[] }>(
    "/v1/nodes/n3/history",
  );
  assert.is(history.items.filter((entry) => entry.kind === "discovered").length, 1);
});

it("refuses a push to an unreachable node, yet lets it be decommissioned by force and forgotten", async () => {
  // Three votes again: one of two voters would take the majority with it.
  await cluster.settled(3);
  const gone = await cluster.follower();
  const asked = cluster.live(gone);
  await gone.kill("SIGKILL");
  await until({ what: `${gone.name} is unreachable`, deadlineMs: 60_000 }, async () => {
    return (await node(asked, gone.name)).reachability === "unreachable";
  });
  const refused = await asked.api("POST", "/v1/jobs", {
    body: { action: "commission", nodes: [gone.name], roles: ["app"] },
  });
  assert.is(refused.status, 422, refused.text);
  assert.match(refused.text, /unreachable|not reachable/i);
  const job = await runJob(() => cluster.live(gone), {
    action: "decommission",
    nodes: [gone.name],
    force: true,
  });
  assert.is(job.status, "succeeded", JSON.stringify(job));
  const forgotten = await cluster.live(gone).api("DELETE", `/v1/nodes/${gone.name}`);
  assert.is(forgotten.status, 204, forgotten.text);
  assert.is((await cluster.live(gone).api("GET", `/v1/nodes/${gone.name}`)).status, 404);
  cluster.restart(gone);
  await until(
    { what: "the forgotten agent is not let in" },
    () => !gone.running || /no other member can be reached/.test(gone.log()),
  );
  const all = await cluster.live(gone).get<{ items: { name: string }[] }>("/v1/nodes");
  assert.not(all.items.some((one) => one.name === gone.name));
  await gone.kill("SIGKILL");
});

it.run();
