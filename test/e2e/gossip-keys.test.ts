/** Gossip by datagrams between real agents, one of which has none: keys are rotated, and nobody is lost. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster, type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("e2e/gossip-keys");

interface Keys {
  readonly epoch: number;
  readonly sealing: number;
  readonly members: number;
  readonly rotation: unknown;
}
interface Member {
  readonly name: string;
  readonly status: string;
  readonly lane: string | null;
}
interface Event {
  readonly type: string;
}

const keysOf = (agent: TestAgent): Promise<Keys> => agent.get<Keys>("/v1/operator/keys");

async function membersOf(agent: TestAgent): Promise<string> {
  const members = await agent.get<readonly Member[]>("/v1/members");
  return members.map(({ name, status }) => `${name} ${status}`).join(", ");
}

it("rotates the keys of datagrams in a cluster of both kinds, and loses no member", async () => {
  await using cluster = await TestCluster.start({ size: 3, args: ["--gossip-udp", "on"] });
  const [first, , last] = cluster.agents;
  assert.ok(first && last);
  if (first === undefined || last === undefined) return;
  await last.kill("SIGTERM");
  last.start("agent", ["--gossip-udp", "off"]);
  await until({ what: "two agents take datagrams" }, async () => {
    const keys = await keysOf(first).catch(() => null);
    return keys?.members === 2 && keys.sealing === 1;
  });
  const everybody = "n1 alive, n2 alive, n3 alive";
  await until({ what: "all are back" }, async () => (await membersOf(first)) === everybody);
  await until({ what: "n1 and n2 use datagrams, n3 streams" }, async () => {
    const members = await first.get<readonly Member[]>("/v1/members");
    const lanes = members.map(({ name, lane }) => `${name} ${lane ?? "-"}`).sort();
    return lanes.join(", ") === "n1 -, n2 udp, n3 stream";
  });
  const rotated = await first.cli(["operator", "rotate-keys"]);
  assert.is(rotated.code, 0, rotated.stderr);
  assert.match(rotated.stderr, /2 of 2 members|of 2 members have key 2/);
  assert.match(rotated.stdout, /key +2 seals, 2 is the newest/);
  assert.equal(await membersOf(first), everybody);
  const { sealing, rotation } = await keysOf(last);
  assert.equal([sealing, rotation], [2, null]);
  const { stdout } = await first.cli(["events", "-o", "json"]);
  const types = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as Event).type);
  assert.equal(
    types.filter((type) => type.startsWith("keyring.")),
    ["keyring.created", "keyring.rotating", "keyring.rotated"],
  );
  const { mode } = await stat(path.join(first.dataDir, "raft"));
  assert.is(mode & 0o077, 0, "only the agent's user gets at the log, and so at the keys");
  const metrics = (await first.api("GET", "/metrics")).text;
  assert.not.match(metrics, /[0-9a-f]{64}/);
});

it.run();
