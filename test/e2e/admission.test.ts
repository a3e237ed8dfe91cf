/** Strangers get nothing but a refusal, whatever they dial; tokens are worth what they say, once. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createLibp2p, type Libp2p } from "libp2p";
import { tcp } from "@libp2p/tcp";
import { noise } from "@libp2p/noise";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { Protocol } from "../../src/p2p/protocols.ts";
import { freePort, TestAgent, TestCluster } from "../support/agents.ts";
import { nodes } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("admission");
let cluster: TestCluster;
let foreign: TestCluster;
let stranger: Libp2p;

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
  foreign = await TestCluster.start({ size: 1, names: ["f1"] });
  stranger = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  });
});

it.after(async () => {
  await stranger.stop();
  await foreign[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

async function token(of: TestCluster, body: object = {}): Promise<{ id: string; token: string }> {
  const answer = await of.first.api("POST", "/v1/tokens", { body: { kind: "join", ...body } });
  assert.is(answer.status, 201, answer.text);
  return answer.json as { id: string; token: string };
}

/** Starts an agent with this token against the cluster; it is expected to give up. */
async function expectRefusal(name: string, text: string): Promise<TestAgent> {
  const agent = new TestAgent(name, cluster.folder, await freePort());
  const file = path.join(cluster.folder, `${name}.token`);
  await writeFile(file, text);
  agent.start("agent", ["--join", `127.0.0.1:${cluster.first.port}`, "--join-token-file", file]);
  const exit = await agent.exited();
  assert.is(exit, 7, agent.log());
  assert.not((await nodes(cluster.first)).some((node) => node.name === name));
  return agent;
}

it("gives a stranger who dials every protocol not one byte, except the join dialogue's refusal", async () => {
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${cluster.first.port}`);
  const protocols = [
    ...new Set([...Object.values(Protocol), "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"]),
  ];
  for (const protocol of protocols.filter((one) => one !== Protocol.join)) {
    const connection = await stranger.dial(address, { signal: AbortSignal.timeout(5000) });
    let received = 0;
    try {
      const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(5000) });
      stream.addEventListener("message", (event) => {
        received += event.data.byteLength;
      });
      const closed = new Promise<void>((resolve) => {
        stream.addEventListener("close", () => resolve());
      });
      stream.send(Buffer.from([0, 0, 0, 2, 1, 2]));
      await Promise.race([
        closed,
        until({ what: "closed", deadlineMs: 5000 }, () => null).catch(() => null),
      ]);
      assert.is.not(stream.status, "open", `${protocol} stays open to a stranger`);
    } catch (error) {
      assert.instance(error, Error); // refused before a stream came about
    }
    assert.is(received, 0, `${protocol} gave ${received} bytes to a stranger`);
    await connection.close().catch(() => undefined);
  }
});

it("admits with a valid token exactly once", async () => {
  const made = await token(cluster);
  const file = path.join(cluster.folder, "n3.token");
  await writeFile(file, made.token);
  const agent = new TestAgent("n3", cluster.folder, await freePort());
  cluster.agents.push(agent);
  agent.start("agent", ["--join", `127.0.0.1:${cluster.first.port}`, "--join-token-file", file]);
  await cluster.ready(agent, 3);
  const used = await expectRefusal("again", made.token);
  assert.match(used.log(), /TOKEN_USED/);
});

it("refuses wrong, expired, revoked, foreign and name-bound tokens, each with its own word", async () => {
  const good = await token(cluster, { uses: 5 });
  const wrong = `${good.token.slice(0, 40)}${good.token[40] === "A" ? "B" : "A"}${good.token.slice(41)}`;
  assert.match((await expectRefusal("wrong", wrong)).log(), /TOKEN_(INVALID|MALFORMED)/);
  const short = await token(cluster, { ttl: "100ms" });
  await until({ what: "the token has expired" }, async () => {
    const all = await cluster.first.get<{ items: { id: string; expiresAt: string }[] }>(
      "/v1/tokens",
    );
    const mine = all.items.find((one) => one.id === short.id);
    return mine !== undefined && Date.parse(mine.expiresAt) < Date.now() - 100;
  });
  assert.match((await expectRefusal("late", short.token)).log(), /TOKEN_EXPIRED/);
  const revoked = await token(cluster);
  assert.is((await cluster.first.api("DELETE", `/v1/tokens/${revoked.id}`)).status, 204);
  assert.match((await expectRefusal("revoked", revoked.token)).log(), /TOKEN_/);
  const bound = await token(cluster, { name: "someone" });
  assert.match((await expectRefusal("other", bound.token)).log(), /TOKEN_NAME/);
  const alien = await token(foreign);
  assert.match((await expectRefusal("alien", alien.token)).log(), /FOREIGN_CLUSTER/);
  assert.match((await expectRefusal("garbage", "mst1.!!!")).log(), /TOKEN_MALFORMED/);
});

it("keeps tokens out of listings, logs and process arguments", async () => {
  const made = await token(cluster);
  const listed = await cluster.first.api("GET", "/v1/tokens");
  assert.not(listed.text.includes(made.token));
  for (const agent of cluster.agents) assert.not(agent.log().includes(made.token));
});

it("gives a second agent with the same name a suffix, and both nodes a warning", async () => {
  const agent = new TestAgent("n1", path.join(cluster.folder, "twin"), await freePort());
  const { mkdir } = await import("node:fs/promises");
  await mkdir(path.join(cluster.folder, "twin"));
  const file = path.join(cluster.folder, "twin.token");
  await writeFile(file, (await token(cluster)).token);
  agent.start("agent", ["--join", `127.0.0.1:${cluster.first.port}`, "--join-token-file", file]);
  cluster.agents.push(agent);
  await until({ what: "n1-2 is listed", deadlineMs: 60_000 }, async () => {
    return (await nodes(cluster.first)).some((node) => node.name === "n1-2");
  });
  for (const name of ["n1", "n1-2"]) {
    const node = (await nodes(cluster.first)).find((one) => one.name === name);
    assert.ok(
      node?.conditions.some((condition) => condition.type === "NameConflict"),
      name,
    );
  }
});

it("needs a token on the network API, and a role that may", async () => {
  const port = await freePort();
  const agent = cluster.agent("n2");
  await agent.kill("SIGTERM");
  agent.start("agent", ["--api-listen", `127.0.0.1:${port}`]);
  await cluster.ready(agent, 3);
  const { ask } = await import("../support/http.ts");
  assert.is((await ask({ port, path: "/v1/status" })).status, 401);
  assert.is((await ask({ port, path: "/healthz" })).status, 200);
  const reader = await cluster.first.api("POST", "/v1/tokens", {
    body: { kind: "api", role: "reader" },
  });
  const headers = { authorization: `Bearer ${(reader.json as { token: string }).token}` };
  await until({ what: "the token is known there" }, async () => {
    return (await ask({ port, path: "/v1/status", headers })).status === 200;
  });
  const forbidden = await ask({
    port,
    path: "/v1/vars/x",
    method: "PUT",
    body: { value: 1 },
    headers,
  });
  assert.is(forbidden.status, 403, forbidden.text);
  const bad = await ask({
    port,
    path: "/v1/status",
    headers: { authorization: "Bearer mapi1.x.y" },
  });
  assert.is(bad.status, 401);
});

it.run();
