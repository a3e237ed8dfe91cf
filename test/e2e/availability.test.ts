/**
 * The rows of docs/availability.md that agents on one loopback address can show: agents die one after another until
 * one is left, and come back; writes go on, and none that was acknowledged is ever lost.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { compareStates } from "../nemesis/convergence.ts";
import { filesIn } from "../support/lab/damage.ts";
import { WriteLedger } from "../support/ledger.ts";
import { until } from "../support/until.ts";

const it = suite("availability");

interface Status {
  readonly mode: string;
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly { readonly name: string }[];
}

/** Every agent that runs has every acknowledged write. */
async function assertKept(cluster: TestCluster, ledger: WriteLedger): Promise<void> {
  for (const agent of cluster.agents.filter(({ running }) => running)) {
    assert.equal(await ledger.lostOn(agent), [], `lost on ${agent.name}`);
  }
}

const statusOf = (agent: TestAgent): Promise<Status> => agent.get<Status>("/v1/status");

/** The dead vote no more, and as many of the living do as should: one more may die. */
async function votersFit(cluster: TestCluster): Promise<void> {
  const living = cluster.agents.filter(({ running }) => running).map(({ name }) => name);
  await until({ what: `of ${living.join(" ")} enough vote`, deadlineMs: 60_000 }, async () => {
    const { voters } = await statusOf(cluster.live());
    const fit = voters.every(({ name }) => living.includes(name));
    return fit && voters.length >= Math.min(3, living.length);
  });
}

it("takes writes while five become four, three, two and one, and all are there when they are back", async () => {
  await using cluster = await TestCluster.start({ size: 5 });
  const ledger = new WriteLedger();
  // Down to two it is the leader that dies, the hardest case; of the last two it is the follower.
  for (const dies of ["leader", "leader", "leader", "follower"] as const) {
    await ledger.write(cluster.live());
    const victim = dies === "leader" ? await cluster.leader() : await cluster.follower();
    await victim.kill("SIGKILL");
    await ledger.write(cluster.live());
    await votersFit(cluster);
  }
  const last = cluster.live();
  await until({ what: "the last one is by itself what it takes" }, async () => {
    const { mode, voters } = await statusOf(last);
    return mode === "normal" && voters.map(({ name }) => name).join() === last.name;
  });
  await ledger.write(last);
  await assertKept(cluster, ledger);

  for (const agent of cluster.agents) if (agent !== last) cluster.restart(agent);
  for (const agent of cluster.agents) await cluster.ready(agent, 5);
  await ledger.write(cluster.first);
  await assertKept(cluster, ledger);
  assert.equal(await compareStates(cluster.agents, 0), []);
});

it("goes on with one of two when the other, the leader, is stopped in order", async () => {
  await using cluster = await TestCluster.start({ size: 2 });
  const ledger = new WriteLedger();
  await ledger.write(cluster.first);
  const leader = await cluster.leader();
  const other = cluster.live(leader);
  assert.is(await leader.kill("SIGTERM"), 0, leader.log());
  await ledger.write(other);
  assert.is((await statusOf(other)).mode, "normal");
  await assertKept(cluster, ledger);

  cluster.restart(leader);
  await cluster.settled(2);
  await assertKept(cluster, ledger);
});

it("says of an agent whose log was damaged that it was, and when it is whole again", async () => {
  await using cluster = await TestCluster.start({ size: 3 });
  const ledger = new WriteLedger();
  for (let i = 0; i < 20; i += 1) await ledger.write(cluster.first);
  const victim = await cluster.follower();
  await victim.kill("SIGKILL");
  const [log = ""] = filesIn(path.join(victim.dataDir, "raft", "log"), /\.log$/);
  damageMiddle(log);
  cluster.restart(victim);
  await cluster.ready(victim, 3);
  await until({ what: "the cluster heard of it, and that it is over" }, async () => {
    const { text } = await cluster.live(victim).api("GET", "/v1/events");
    const marks = text.split("\n").filter((line) => line.includes("LogSalvaged"));
    return marks.some((line) => line.includes("Damaged")) && marks.at(-1)?.includes("CaughtUp");
  });
  const { stdout } = await victim.cli(["status"]);
  assert.match(stdout, /log +was damaged \(.*\) and started over; it is whole again/);
  const metrics = await victim.api("GET", "/metrics");
  assert.match(metrics.text, /muster_raft_log_salvaged 1\n/);
  assert.match(metrics.text, /muster_raft_log_trusted 1\n/);
  await assertKept(cluster, ledger);
});

it("shows what is sound of the only agent's damaged log, and goes on from there on the operator's word", async () => {
  await using cluster = await TestCluster.start({ size: 1 });
  const agent = cluster.first;
  const ledger = new WriteLedger();
  for (let i = 0; i < 40; i += 1) await ledger.write(agent, `key-${i}`);
  const { etag } = (await agent.api("GET", "/v1/vars/key-39")).headers;
  await agent.kill("SIGKILL");
  const [log = ""] = filesIn(path.join(agent.dataDir, "raft", "log"), /\.log$/);
  damageMiddle(log);
  cluster.restart(agent);
  const sound = await until({ what: "it reads what is sound", deadlineMs: 60_000 }, async () => {
    const { vars } = await agent.get<{ vars: Record<string, unknown> }>("/v1/vars");
    if (vars["key-0"] !== undefined) return vars;
    throw new Error(`${JSON.stringify(vars)} ${agent.log().slice(-1500)}`);
  });
  assert.is((await statusOf(agent)).mode, "read-only");
  assert.is(sound["key-39"], undefined);
  const refused = await agent.api("PUT", "/v1/vars/x", { body: { value: 1 } });
  assert.is(refused.status, 503, refused.text);
  assert.match(refused.text, /acknowledged here are lost; only an operator may go on/);
  assert.ok(readdirSync(path.join(agent.dataDir, "raft")).includes("damaged-1"));
  assert.match((await agent.cli(["status"])).stdout, /log +was damaged/);

  const shown = await agent.cli(["operator", "recover", "--plan", "-o", "json"]);
  assert.is(shown.code, 0, shown.stderr);
  const plan = JSON.parse(shown.stdout) as { hash: string; missingAtMost: number };
  const done = await agent.cli(["operator", "recover", "--confirm", plan.hash]);
  assert.is(done.code, 0, done.stderr);
  const lost = await ledger.lostOn(agent);
  assert.ok(lost.length > 0 && lost.length <= plan.missingAtMost, `${lost.length} are lost`);
  await until({ what: "nobody is waited for" }, async () => {
    return (await statusOf(agent)).mode === "normal";
  });
  // New writes come to the indices of those that are lost, and are taken for none of them.
  for (let i = 0; i < 40; i += 1) await new WriteLedger().write(agent, "key-39");
  const stale = { body: { value: "lost update" }, headers: { "if-match": String(etag) } };
  const answer = await agent.api("PUT", "/v1/vars/key-39", stale);
  assert.is(answer.status, 409, answer.text);
  const { text } = await agent.api("GET", "/v1/events");
  assert.match(
    text,
    new RegExp(`generation.forced.*entries missing: at most ${plan.missingAtMost}`),
  );
  await agent.kill("SIGKILL");
  cluster.restart(agent);
  await new WriteLedger().write(agent, "again");
});

/** What was written there and fsynced is gone, as when the disk lies. */
function damageMiddle(file: string): void {
  const bytes = readFileSync(file);
  bytes.fill(0, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 64);
  writeFileSync(file, bytes);
}

it.run();
