/**
 * How agents on hosts of their own find each other, come back, leave and are kept out: discovery alone, restarts with
 * the seeds gone, a new address, good-byes, and tokens that are worth nothing. One cluster lives through all of it.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newUuid } from "../../src/base/ids.ts";
import { makeJoinToken } from "../../src/p2p/join-token.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { BareHosts } from "../support/lab/bare-hosts.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { until } from "../support/until.ts";

const it = suite("membership");
const names = ["n1", "n2", "n3", "n4", "n5"];
const discover = ["--discover", "mdns"];
let hosts: BareHosts;

interface Member {
  readonly name: string;
  readonly status: string;
  readonly address: string;
}
interface Event {
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

it.before(async () => {
  hosts = await BareHosts.create([...names, "x", "y"]);
});

it.after(async () => {
  await hosts[Symbol.asyncDispose]();
});

const agents = (): readonly LabAgent[] => names.map((name) => hosts.agent(name));

/** Every running agent sees exactly these members as `status`, and can write. */
async function seen(which: readonly string[], status = "alive"): Promise<void> {
  for (const agent of agents().filter(({ running }) => running)) {
    await until(
      { what: `${agent.name} sees ${which.join()} ${status}`, deadlineMs: 60_000 },
      async () => {
        const members = await agent.get<readonly Member[]>("/v1/members");
        const found = members.filter((member) => member.status === status);
        return found.map(({ name }) => name).join() === which.join();
      },
    );
  }
}

async function ready(agent: LabAgent): Promise<void> {
  await until({ what: `${agent.name} is ready`, deadlineMs: 60_000 }, async () => {
    if (!agent.running) throw new Error(`${agent.name} exited:\n${agent.log().slice(-1500)}`);
    return (await agent.api("GET", "/readyz")).status === 200;
  });
}

async function events(agent: LabAgent, type: string): Promise<readonly Event[]> {
  const { text } = await agent.api("GET", "/v1/events");
  const all = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  return all.filter((event) => event.type === type);
}

async function newToken(body: object): Promise<string> {
  const answer = await hosts
    .agent("n1")
    .api("POST", "/v1/tokens", { body: { kind: "join", ...body } });
  assert.is(answer.status, 201, answer.text);
  return (answer.json as { token: string }).token;
}

async function tokenFile(name: string, token: string): Promise<readonly string[]> {
  const file = path.join(hosts.folder, `${name}.token`);
  await writeFile(file, token, { mode: 0o600 });
  return ["--join-token-file", file];
}

it("finds itself by mDNS alone: no seed is named anywhere", async () => {
  const first = hosts.agent("n1");
  first.start("bootstrap", discover);
  await ready(first);
  const withToken = await tokenFile("four", await newToken({ uses: 4 }));
  for (const agent of agents().slice(1)) agent.start("agent", [...discover, ...withToken]);
  await seen(names);
  for (const agent of agents()) await ready(agent);
  assert.is((await events(first, "node.discovered")).length, 5);
});

it("forms no second cluster of the same name where one answers", async () => {
  const second = hosts.agent("y");
  second.start("bootstrap", discover);
  assert.is(await second.exited(), 5, second.log());
  assert.match(second.log(), /CLUSTER_EXISTS/);
  assert.match(second.log(), /of a cluster of the name .*--cluster-name/);
});

it("tells all at once who leaves, and calls it left, not lost", async () => {
  const leaving = hosts.agent("n5");
  assert.is(await leaving.kill("SIGINT"), 0, leaving.log().slice(-1500));
  await seen(["n5"], "left");
  const first = hosts.agent("n1");
  await until({ what: "the inventory has it" }, async () => {
    return (await first.get<{ reachability: string }>("/v1/nodes/n5")).reachability === "left";
  });
  leaving.start("agent");
  await seen(names);
  const story = (await events(first, "node.reachability"))
    .filter(({ subject }) => subject === "node/n5")
    .map(({ data }) => data["to"]);
  await until({ what: "it is reachable again" }, async () => {
    return (await first.get<{ reachability: string }>("/v1/nodes/n5")).reachability === "reachable";
  });
  assert.is(story[0], "left");
  assert.not.ok(story.includes("unreachable"), story.join());
});

it("takes every agent back after a rolling restart, without seeds, token or discovery", async () => {
  for (const agent of agents()) {
    assert.is(await agent.kill("SIGTERM"), 0);
    agent.start("agent");
    await ready(agent);
    await seen(names);
  }
  assert.is((await events(hosts.agent("n1"), "node.discovered")).length, 5);
});

it("finds itself after a power cut from what each remembers, the first node gone", async () => {
  await Promise.all(agents().map((agent) => agent.kill("SIGKILL")));
  const back = agents().slice(1);
  for (const agent of back) agent.start("agent");
  for (const agent of back) await ready(agent);
  await seen(names.slice(1));
  hosts.agent("n1").start("agent");
  await seen(names);
  assert.is((await events(hosts.agent("n2"), "node.discovered")).length, 5);
});

it("follows an agent to another port, with everything that is sent to it", async () => {
  const moved = hosts.agent("n4");
  await moved.kill("SIGKILL");
  const address = `${hosts.network.address("n4")}:7711`;
  moved.start("agent", ["--listen", address]);
  await ready(moved);
  await seen(names);
  const first = hosts.agent("n1");
  await until({ what: "inventory and gossip have the new address" }, async () => {
    const node = await first.get<{ address: string }>("/v1/nodes/n4");
    const members = await first.get<readonly Member[]>("/v1/members");
    const member = members.find(({ name }) => name === "n4");
    return node.address === address && member?.address === address;
  });
  const asked = await first.cli(["members", "--of", "n4", "-o", "name"]);
  assert.equal([asked.code, asked.stdout], [0, `${names.join("\n")}\n`], asked.stderr);
  assert.ok((await events(first, "node.address")).length >= 1);
});

it("lets nobody in with a token that is wrong, foreign, used, expired, revoked or another's", async () => {
  const first = hosts.agent("n1");
  const { cluster } = await first.get<{ cluster: { id: string } }>("/v1/status");
  const used = await newToken({ uses: 1 });
  const made = (clusterId: string): string =>
    makeJoinToken({ clusterId, tokenId: "t1", expiresAt: null }).token;
  const worthless: readonly (readonly [token: string, code: string])[] = [
    [made(cluster.id), "TOKEN_INVALID"],
    [made(newUuid()), "FOREIGN_CLUSTER"],
    [await newToken({ ttl: "1s" }), "TOKEN_EXPIRED"],
    [await newToken({ name: "somebody-else" }), "TOKEN_NAME"],
    [`${used.slice(0, -8)}AAAAAAAA`, "TOKEN_MALFORMED"],
  ];
  const intruder = hosts.agent("x");
  for (const [token, code] of worthless) {
    intruder.start("agent", ["--join", first.address, ...(await tokenFile("x", token))]);
    assert.is(await intruder.exited(), 7, code);
    assert.match(intruder.log().trimEnd().split("\n").at(-1) ?? "", code);
  }
  assert.is((await first.get<{ nodes: { total: number } }>("/v1/status")).nodes.total, 5);
  intruder.start("agent", ["--join", first.address, ...(await tokenFile("x", used))]);
  await seen([...names, "x"]);
  const second = hosts.agent("y");
  second.start("agent", ["--join", first.address, ...(await tokenFile("y", used))]);
  assert.is(await second.exited(), 7);
  assert.match(second.log(), "TOKEN_USED");
  assert.is((await first.get<{ nodes: { total: number } }>("/v1/status")).nodes.total, 6);
});

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip membership: ${reason}\n`);
  const skipped = suite("membership");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
