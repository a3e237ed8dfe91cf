/**
 * Survivor mode on real agents, on hosts of their own: whole hosts die (agent and supervisor), the network parts, all
 * lose power; what is left goes on, says so, and in the end nothing that was acknowledged anywhere is lost.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { between } from "../support/lab/partitions.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import {
  assertKept,
  hostDies,
  put,
  start,
  statusOf,
  whole,
  written,
} from "../support/lab/survivors.ts";
import { until } from "../support/until.ts";

const it = suite("survivor mode");

it("goes on alone when the leader's host of two dies, says so, and is whole when it returns", async () => {
  await using lab = await start(2);
  const leader = await lab.leader();
  const other = lab.agents.find((agent) => agent !== leader) ?? leader;
  const keys = [await written(other, "before")];
  await hostDies(leader);
  keys.push(await written(other, "alone"));
  const answer = await other.api("GET", "/v1/status");
  assert.is(answer.headers["muster-mode"], "survivor");
  assert.match(String(answer.headers["muster-generation"]), /^2\/[0-9a-f]{8}; provisional$/);
  const { cluster } = await statusOf(other);
  assert.is(cluster?.provisional, true);
  await until({ what: "the event tells who was left behind" }, async () => {
    const { text } = await other.api("GET", "/v1/events");
    return text.includes("generation.forced") && text.includes(`without ${leader.name}`);
  });
  // The survivor itself may die now: what it decided is on its disk.
  await hostDies(other);
  lab.cluster.restart(other);
  keys.push(await written(other, "again"));
  lab.cluster.restart(leader);
  await whole(lab, 2);
  await assertKept(lab, keys);
});

it("goes on with one of three when two hosts die together", async () => {
  await using lab = await start(3);
  const leader = await lab.leader();
  const [second, last] = lab.agents.filter((agent) => agent !== leader);
  assert.ok(second !== undefined && last !== undefined);
  const keys = [await written(last, "before")];
  await Promise.all([hostDies(leader), hostDies(second)]);
  keys.push(await written(last, "alone"));
  assert.is((await statusOf(last)).mode, "survivor");
  lab.cluster.restart(leader);
  lab.cluster.restart(second);
  await whole(lab, 3);
  await assertKept(lab, keys);
});

it("goes on for good once a fence command made certain that the leader's host of two is off", async () => {
  await using lab = await start(2, ["survivor.auto=proof"]);
  const leader = await lab.leader();
  const other = lab.agents.find((agent) => agent !== leader) ?? leader;
  const [script, seen] = ["fence", "fenced"].map((name) => path.join(lab.cluster.folder, name));
  assert.ok(script !== undefined && seen !== undefined);
  await writeFile(script, `#!/bin/sh\necho "$MUSTER_NODE" >> ${seen}\n`, { mode: 0o755 });
  const body = { survivor: { fence: { command: [script], timeout: "5s" } } };
  assert.is((await other.api("PATCH", "/v1/settings", { body })).status, 200);
  const keys = [await written(other, "before")];
  await hostDies(leader);
  keys.push(await written(other, "alone"));
  assert.match(await readFile(seen, "utf8"), new RegExp(`^${leader.name}\n`));
  const { mode, cluster } = await statusOf(other);
  assert.is(mode, "normal", "nobody can hold another history");
  assert.is(cluster?.provisional, false);
  lab.cluster.restart(leader);
  await whole(lab, 2);
  await assertKept(lab, keys);
});

it("stays provisional after a generation of certainty, while those left behind before may still write", async () => {
  // Long enough for the attestation to come first.
  await using lab = await start(4, ["survivor.silence=8s", "survivor.cold=8s"]);
  const leader = await lab.leader();
  const voters = await until({ what: "three vote" }, async () => {
    const { voters } = await statusOf(leader);
    return voters.length === 3 ? voters : null;
  });
  const other = voters.find(({ name }) => name !== leader.name)?.name ?? "";
  const mainland = [leader.name, other];
  const island = lab.agents.filter(({ name }) => !mainland.includes(name));
  const [first] = island;
  assert.ok(first !== undefined && island.length === 2);
  await lab.cut(
    between(
      mainland,
      island.map(({ name }) => name),
    ),
  );
  const keys = [await written(leader, "mainland"), await written(first, "island")];
  // Who has no place in the log hears late that the leader is gone, and follows only then.
  const head = await until({ what: "one of the two leads both" }, async () => {
    const [a, b] = await Promise.all(island.map(statusOf));
    const isOne =
      a?.cluster?.generation === 2 && a.cluster.generationId === b?.cluster?.generationId;
    return isOne && a.leader?.name === b?.leader?.name ? a.leader : null;
  });
  const [ends, stays] = island.toSorted((a) => (a.name === head.name ? -1 : 1));
  assert.ok(ends !== undefined && stays !== undefined);
  // What only the one that ends holds, its exit would prove no less: both vote by then, and hold the same.
  await until({ what: "both have all there is" }, async () => {
    const texts = island.map(async (agent) => (await agent.api("GET", "/v1/operator/raft")).text);
    const ends = (await Promise.all(texts)).map((text) => /"lastIndex":(\d+)/.exec(text)?.[1]);
    return (await statusOf(stays)).voters.length === 2 && ends[0] === ends[1];
  });
  await ends.kill("SIGKILL"); // its supervisor attests that
  keys.push(await written(stays, "alone"));
  const { mode, cluster } = await statusOf(stays);
  assert.equal([mode, cluster?.generation], ["survivor", 3]);
  assert.match((await stays.api("GET", "/v1/operator/raft")).text, /"kind":"forced-proof"/);
  await lab.cut([]);
  lab.cluster.restart(ends);
  await whole(lab, 3);
  await assertKept(lab, keys);
});

it("goes on with the newer history of two that were killed, once a survivor went on that lacks it", async () => {
  await using lab = await start(3, ["survivor.silence=4s", "survivor.cold=5m"]);
  const paused = await lab.leader();
  const others = lab.agents.filter((agent) => agent !== paused);
  const [first] = others;
  assert.ok(first !== undefined);
  const keys = [await written(first, "before")];
  paused.signal("SIGSTOP");
  for (let i = 0; i < 5; i += 1) keys.push(await written(first, `missed-${i}`));
  await Promise.all(others.map((agent) => agent.kill("SIGKILL")));
  paused.signal("SIGCONT");
  // Their supervisors told it that its log lacks something, so it waits for the silence, and is provisional.
  keys.push(await written(paused, "alone"));
  assert.is((await statusOf(paused)).mode, "survivor");
  for (const agent of others) lab.cluster.restart(agent);
  // Held, as it went on without them; but it lost, so they must go on first, and long before survivor.cold.
  await whole(lab, 3);
  await assertKept(lab, keys);
});

it("serves reads at once after a cold start of one alone, and goes on after the cold wait", async () => {
  await using lab = await start(2);
  const keys = [await written(lab.agent("n1"), "before")];
  for (const agent of lab.agents) await hostDies(agent);
  const alone = lab.agent("n2");
  lab.cluster.restart(alone);
  await until({ what: "it reads", deadlineMs: 20_000 }, async () => {
    const answer = await alone.api("GET", "/v1/vars").catch(() => null);
    return answer?.status === 200 && answer.headers["muster-mode"] === "read-only";
  });
  const refused = await alone.api("PUT", "/v1/vars/x", { body: { value: 1 }, timeoutMs: 9000 });
  if (refused.status !== 200) assert.is(refused.status, 503, refused.text);
  keys.push(await written(alone, "alone"));
  const generations = (await alone.cli(["operator", "raft", "-o", "json"])).stdout;
  assert.match(generations, /"outlived": ?false/);
  lab.cluster.restart(lab.agent("n1"));
  await whole(lab, 2);
  await assertKept(lab, keys);
});

it("waits for the operator's word when automatic survivors are off", async () => {
  await using lab = await start(2, ["survivor.auto=off"]);
  const leader = await lab.leader();
  const other = lab.agents.find((agent) => agent !== leader) ?? leader;
  await hostDies(leader);
  const plan = await until({ what: "there is a plan", deadlineMs: 30_000 }, async () => {
    const { code, stdout } = await other.cli(["operator", "recover", "--plan", "-o", "json"]);
    return code === 0 ? (JSON.parse(stdout) as { plan?: { hash: string }; hash?: string }) : null;
  });
  const hash = plan.plan?.hash ?? plan.hash ?? "";
  assert.is(await put(other, "not-yet"), null);
  const wrong = await other.cli(["operator", "recover", "--confirm", "0".repeat(64)]);
  assert.is.not(wrong.code, 0);
  const done = await other.cli(["operator", "recover", "--confirm", hash]);
  assert.is(done.code, 0, done.stderr);
  await written(other, "after");
  assert.is((await statusOf(other)).mode, "survivor");
});

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip survivor mode: ${reason}\n`);
  const skipped = suite("survivor mode");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
