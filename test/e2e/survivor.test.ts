/**
 * Survivor mode on real agents, on hosts of their own: whole hosts die (agent and supervisor), the network parts, all
 * lose power; what is left goes on, says so, and in the end nothing that was acknowledged anywhere is lost.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processesOf, type TestAgent } from "../support/agents.ts";
import { Lab } from "../support/lab/lab.ts";
import { between } from "../support/lab/partitions.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { until } from "../support/until.ts";

const it = suite("survivor mode");

interface Status {
  readonly mode: string;
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly { readonly name: string }[];
  readonly cluster: {
    readonly generation: number;
    readonly generationId: string;
    readonly provisional: boolean;
  } | null;
}

const quick = ["survivor.silence=2s", "survivor.cold=4s"];
const statusOf = (agent: TestAgent): Promise<Status> => agent.get<Status>("/v1/status");

async function start(size: number, settings: readonly string[] = quick): Promise<Lab> {
  const lab = await Lab.start({ size });
  const { code, stderr } = await lab.agent("n1").cli(["settings", "set", ...settings]);
  assert.is(code, 0, stderr);
  return lab;
}

/** Nobody is left to attest anything, as when the host loses power. */
async function hostDies(agent: TestAgent): Promise<void> {
  for (const pid of await processesOf(agent.dataDir)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended with its parent.
    }
  }
  await agent.kill("SIGKILL");
}

/** A write, or null when it was not acknowledged. */
async function put(agent: TestAgent, key: string): Promise<string | null> {
  const answer = await agent
    .api("PUT", `/v1/vars/${key}`, { body: { value: key }, timeoutMs: 8000 })
    .catch(() => null);
  return answer?.status === 200 ? key : null;
}

async function written(agent: TestAgent, key: string): Promise<string> {
  return until({ what: `${agent.name} takes ${key}`, deadlineMs: 45_000 }, () => put(agent, key));
}

/** Everybody is in one generation that is not provisional, with as many voters as there should be. */
async function whole(lab: Lab, voters: number): Promise<void> {
  await until({ what: "one history again", deadlineMs: 90_000 }, async () => {
    const states = await Promise.all(lab.agents.map((agent) => statusOf(agent).catch(() => null)));
    const [first] = states;
    return states.every(
      (state) =>
        state?.mode === "normal" &&
        state.cluster?.generationId === first?.cluster?.generationId &&
        state.voters.length === voters,
    );
  });
}

async function assertKept(lab: Lab, keys: readonly string[]): Promise<void> {
  for (const agent of lab.agents) {
    const { vars = {} } = await agent.get<{ vars?: Record<string, unknown> }>("/v1/vars");
    const known = JSON.stringify(vars);
    const lost = keys.filter((key) => !known.includes(`"${key}"`));
    assert.equal(lost, [], `lost on ${agent.name}`);
  }
}

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

it("merges what two sides wrote apart, though the loser dies on the way, and journals what clashes", async () => {
  await using lab = await start(2);
  const winner = await lab.leader();
  const loser = lab.agents.find((agent) => agent !== winner) ?? winner;
  await lab.cut(between([winner.name], [loser.name]));
  const keys: string[] = [];
  for (const side of [winner, loser]) {
    for (let i = 0; i < 10; i += 1) keys.push(await written(side, `${side.name}-${i}`));
    const patch = { [side.name === "n1" ? "one" : "two"]: side.name };
    const labels = await side.api("PATCH", `/v1/nodes/${side.name}`, { body: { labels: patch } });
    assert.is(labels.status, 200, labels.text);
    const body = { value: side.name };
    assert.is((await side.api("PUT", "/v1/vars/clash", { body })).status, 200);
    const token = await side.api("POST", "/v1/tokens", { body: { kind: "join", uses: 1 } });
    assert.is(token.status, 201, token.text);
  }
  await lab.cut([]);
  await until({ what: "the loser leaves", deadlineMs: 60_000 }, () =>
    loser.log().includes("another history won"),
  );
  await hostDies(loser);
  lab.cluster.restart(loser);
  await whole(lab, 2);
  await assertKept(lab, keys);
  const clash = await winner.get<{ value: unknown }>("/v1/vars/clash");
  assert.is(clash.value, winner.name);
  const { stdout } = await winner.cli(["operator", "conflicts"]);
  assert.match(stdout, /var\/clash +pending/);
  for (const { name } of lab.agents) {
    const node = await winner.get<{ labels: Record<string, string> }>(`/v1/nodes/${name}`);
    assert.is(node.labels[name === "n1" ? "one" : "two"], name);
  }
  const tokens = await winner.get<readonly unknown[]>("/v1/tokens");
  assert.ok(JSON.stringify(tokens).split('"join"').length - 1 >= 2);
});

/** Both sides write the var until one index is that of both writes: what made ETags of two histories look alike. */
async function sameVersion(sides: readonly TestAgent[], key: string): Promise<readonly string[]> {
  let writes = 0;
  const write = async (side: TestAgent) => {
    const body = { value: `${side.name} ${(writes += 1)}` };
    const { status, headers, json, text } = await side.api("PUT", `/v1/vars/${key}`, { body });
    assert.is(status, 200, text);
    return { side, etag: String(headers.etag), version: (json as { version: number }).version };
  };
  let last = await Promise.all(sides.map(write));
  return until({ what: "one index, two writes", everyMs: 0 }, async () => {
    const versions = last.map(({ version }) => version);
    if (new Set(versions).size === 1) return last.map(({ etag }) => etag);
    const least = Math.min(...versions);
    last = await Promise.all(
      last.map(async (one) => (one.version === least ? write(one.side) : one)),
    );
    return null;
  });
}

async function lastEvent(agent: TestAgent): Promise<string> {
  const { text } = await agent.api("GET", "/v1/events");
  return (JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as { id: string }).id;
}

it("takes an ETag or a place in the events of the side that lost for nothing, though the index agrees", async () => {
  await using lab = await start(2);
  const winner = await lab.leader();
  const loser = lab.agents.find((agent) => agent !== winner) ?? winner;
  await written(winner, "common");
  const common = await winner.api("GET", "/v1/vars/common");
  await lab.cut(between([winner.name], [loser.name]));
  for (const side of [winner, loser]) await written(side, `${side.name}-apart`);
  const [won = "", lost = ""] = await sameVersion([winner, loser], "clash");
  assert.match(won, /^"\d+"$/);
  assert.match(lost, /^"\d+@[0-9a-f]{32}"$/);
  assert.is(lost.split("@")[0], won.replace(/"$/, ""), "the same index");
  const seen = await lastEvent(loser);
  await lab.cut([]);
  await whole(lab, 2);
  for (const agent of lab.agents) {
    const stale = { body: { value: "lost update" }, headers: { "if-match": lost } };
    const refused = await agent.api("PUT", "/v1/vars/clash", stale);
    assert.is(refused.status, 409, refused.text);
    assert.match(refused.text, /GENERATION_SUPERSEDED/);
    const { details } = refused.json as { details: { report: string } };
    const { stdout } = await agent.cli([
      "operator",
      "conflicts",
      "list",
      "--generation",
      details.report,
    ]);
    assert.match(stdout, /var\/clash +pending/);
    const resumed = await agent.api("GET", `/v1/events?since=${encodeURIComponent(seen)}`);
    assert.is(resumed.status, 409, resumed.text);
    const { resumeAt } = (resumed.json as { details: { resumeAt: string } }).details;
    const { text } = await agent.api("GET", `/v1/events?since=${resumeAt}`);
    assert.match(text, new RegExp(`var/${winner.name}-apart`), "what its reader had missed");
  }
  const options = { body: { value: "on" }, headers: { "if-match": won } };
  const onward = await loser.api("PUT", "/v1/vars/clash", options);
  assert.is(onward.status, 200, onward.text);
  const kept = { body: { value: "changed" }, headers: { "if-match": String(common.headers.etag) } };
  assert.is((await loser.api("PUT", "/v1/vars/common", kept)).status, 200, "as before the fork");
});

it("hands over what is too large for one entry, though both ends die in the middle", async () => {
  await using lab = await start(2);
  const winner = await lab.leader();
  const loser = lab.agents.find((agent) => agent !== winner) ?? winner;
  await lab.cut(between([winner.name], [loser.name]));
  await written(loser, "small");
  const large = "x".repeat(250_000);
  const count = 90; // 22 MB
  for (let i = 0; i < count; i += 1) {
    const body = { value: `${i} ${large}` };
    const answer = await loser.api("PUT", `/v1/vars/large-${i}`, { body });
    assert.is(answer.status, 200, answer.text);
  }
  await lab.cut([]);
  await until({ what: "a part is merged", deadlineMs: 60_000, everyMs: 20 }, async () => {
    const raft = await winner.api("GET", "/v1/operator/raft");
    return raft.text.includes('"forkIndex"') && raft.text.includes('"doneAt":null');
  });
  await Promise.all([hostDies(loser), hostDies(winner)]);
  for (const agent of lab.agents) lab.cluster.restart(agent);
  await whole(lab, 2);
  for (const agent of lab.agents) {
    const { vars } = await agent.get<{ vars: Record<string, string> }>("/v1/vars");
    const lost = Array.from({ length: count }, (_, i) => i).filter(
      (i) => vars[`large-${i}`] !== `${i} ${large}`,
    );
    assert.equal(lost, [], `lost on ${agent.name}`);
  }
  await assertKept(lab, ["small"]);
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
