/**
 * Two histories of real agents meet, on hosts of their own: what both wrote is merged, journaled or refused, whoever
 * dies on the way; and nothing that the side that lost gave out is taken for something of the other one's.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent } from "../support/agents.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { type Lab } from "../support/lab/lab.ts";
import { between } from "../support/lab/partitions.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import {
  assertKept,
  hostDies,
  quick,
  start,
  statusOf,
  whole,
  written,
} from "../support/lab/survivors.ts";
import { until } from "../support/until.ts";

const it = suite("two histories meet");

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

interface Places {
  readonly id: string;
  readonly configuration: {
    readonly voters: readonly (readonly string[])[];
    readonly standbys: readonly string[];
  };
}

/** Agents that the leader does not stream to: they have no place in the configuration. */
async function withoutPlace(lab: Lab): Promise<readonly TestAgent[]> {
  const states = await Promise.all(
    lab.agents.map((agent) => agent.get<Places>("/v1/operator/raft")),
  );
  const { voters, standbys } = states[0]?.configuration ?? { voters: [], standbys: [] };
  const placed = [...voters.flat(), ...standbys];
  return lab.agents.filter((_, i) => !placed.includes(states[i]?.id ?? ""));
}

it("goes on with an observer alone, first cut off and then left over, and keeps what it wrote", async () => {
  const args = ["--max-voters", "3", "--max-standbys", "1"];
  await using lab = await start(4, quick, { args, spare: 1 });
  await until({ what: "the fourth stands by" }, async () => (await withoutPlace(lab)).length === 0);
  const observer = await lab.join();
  await lab.cluster.ready(observer, 5);
  assert.equal(await withoutPlace(lab), [observer]);
  const others = lab.agents.filter((agent) => agent !== observer);
  const [first = observer] = others;
  const keys = [await written(observer, "before")];
  await lab.cut(
    between(
      [observer.name],
      others.map(({ name }) => name),
    ),
  );
  keys.push(await written(observer, "island"), await written(first, "mainland"));
  assert.is((await statusOf(observer)).mode, "survivor");
  assert.equal(
    (await statusOf(observer)).voters.map(({ name }) => name),
    [observer.name],
  );
  assert.is((await statusOf(first)).mode, "normal");
  await lab.cut([]);
  await whole(lab, 3);
  await assertKept(lab, keys);

  const last = await until({ what: "one is left without a place" }, async () => {
    const [only, ...more] = await withoutPlace(lab);
    return more.length === 0 ? only : undefined;
  });
  const voters = lab.agents.filter((agent) => agent !== last);
  await Promise.all(voters.map(hostDies));
  keys.push(await written(last, "left-over"));
  const { mode, cluster } = await statusOf(last);
  assert.equal([mode, cluster?.provisional], ["survivor", true]);
  for (const agent of voters) lab.cluster.restart(agent);
  await whole(lab, 3);
  await assertKept(lab, keys);
});

interface Keys {
  readonly epoch: number;
  readonly rotation: unknown;
}
const keysOf = (agent: TestAgent): Promise<Keys> => agent.get<Keys>("/v1/operator/keys");

/** The side replaces a machine that it lost, and so changes the keys of gossip by itself. */
async function replaceOne(lab: Lab, lost: LabAgent, by: TestAgent): Promise<LabAgent> {
  const { epoch } = await keysOf(by);
  await lost.powerOff();
  await until({ what: `${lost.name} is forgotten`, deadlineMs: 60_000 }, async () => {
    const { status, text } = await by.api("DELETE", `/v1/nodes/${lost.name}?force=true`);
    if (status === 204) return true;
    throw new Error(text);
  });
  const joined = await lab.join(by);
  await until({ what: `${joined.name} is in`, deadlineMs: 60_000 }, async () => {
    const { status } = await joined.api("GET", "/readyz").catch(() => ({ status: 0 }));
    return status === 200;
  });
  await until({ what: `${by.name} changes the keys that ${lost.name} knows` }, async () => {
    return (await keysOf(by)).epoch > epoch;
  });
  return joined;
}

it("unites who was admitted and who was evicted on either side, and the keys of gossip", async () => {
  await using lab = await start(5, quick, { args: ["--gossip-udp", "on"], spare: 2 });
  const [n1, n2, n3, n4, n5] = ["n1", "n2", "n3", "n4", "n5"].map((name) => lab.agent(name));
  assert.ok(n1 && n2 && n3 && n4 && n5);
  await until({ what: "there are keys" }, async () => (await keysOf(n1)).epoch > 0);
  await lab.cut(between(["n1", "n2", "n3", "n6"], ["n4", "n5", "n7"]));
  for (const [agent, key] of [
    [n1, "majority"],
    [n4, "minority"],
  ] as const) {
    await written(agent, key);
  }
  const n6 = await replaceOne(lab, n3, n1);
  const n7 = await replaceOne(lab, n5, n4);
  const epochs = [(await keysOf(n1)).epoch, (await keysOf(n4)).epoch];
  await lab.cut([]);
  await whole(lab, 5);
  const members = [n1, n2, n4, n6, n7];
  const names = members.map(({ name }) => name).sort();
  for (const agent of members) {
    await until({ what: `${agent.name} knows the five that are left` }, async () => {
      const { items } = await agent.get<{ items: readonly { name: string }[] }>("/v1/nodes");
      return items.map(({ name }) => name).join() === names.join();
    });
    assert.ok((await keysOf(agent)).epoch >= Math.max(...epochs));
  }
  await until({ what: "everybody seals with the new key", deadlineMs: 60_000 }, async () => {
    return (await keysOf(n1)).rotation === null;
  });
  const { text } = await n4.api("GET", "/v1/events");
  for (const lost of ["n3", "n5"]) assert.match(text, new RegExp(`node.forgotten.*node/${lost}"`));
});

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip two histories meet: ${reason}\n`);
  const skipped = suite("two histories meet");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
