/** SIGTERM ends an agent soon and in order, whatever it waits for. */
import http from "node:http";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("stop");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

it("does not wait for a leader that nobody will elect", async () => {
  const leader = await cluster.leader();
  const other = cluster.live(leader);
  await leader.kill("SIGKILL");
  await until({ what: "no leader is known" }, async () => {
    return (await other.get<{ readonly leader: unknown }>("/v1/status")).leader === null;
  });
  const write = other.api("PUT", "/v1/vars/late", { body: { value: 1 } }).catch(() => null);
  await until({ what: "the write waits for a leader" }, async () => {
    const metrics = await other.api("GET", "/metrics");
    return metrics.status === 200;
  });
  const begun = performance.now();
  assert.is(await other.kill("SIGTERM"), 0, other.log());
  assert.ok(performance.now() - begun < 3000, "it stops at once");
  await write;
});

it("loses no write when the leader of three is stopped under load", async () => {
  await using three = await TestCluster.start({ size: 3 });
  const leader = await three.leader();
  const failed: string[] = [];
  const answeredMs: number[] = [];
  const state = { stop: false };
  const keepAlive = new http.Agent({ keepAlive: true });
  const writer = async (agent: TestAgent, key: string): Promise<void> => {
    for (let i = 0; !state.stop && agent.running; i += 1) {
      const route = `/v1/vars/${key}`;
      const answer = await put(agent.socket, route, { agent: keepAlive, body: { value: i } });
      if (answer === "gone") return; // nobody listens there any more: a caller would ask another agent
      if (answer === 200) answeredMs.push(performance.now());
      else failed.push(`${agent.name}: ${answer}`);
    }
  };
  const writers = three.agents.flatMap((agent) =>
    [0, 1, 2, 3].map((i) => writer(agent, `${agent.name}-${i}`)),
  );
  await until({ what: "writes go on" }, () => answeredMs.length > 100);
  assert.is(await leader.kill("SIGTERM"), 0, leader.log());
  const count = answeredMs.length;
  await until({ what: "writes go on" }, () => answeredMs.length > count + 50);
  state.stop = true;
  await Promise.all(writers);
  keepAlive.destroy();
  assert.equal(failed, []);
});

/** The status, `gone` when the connection could not be made, or why there is no answer. */
function put(
  socketPath: string,
  route: string,
  { agent, body }: { readonly agent: http.Agent; readonly body: object },
): Promise<number | string> {
  const { promise, resolve } = Promise.withResolvers<number | string>();
  const headers = { "content-type": "application/json" };
  const options = { socketPath, path: route, method: "PUT", headers, agent };
  const request = http.request(options, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode ?? 0));
  });
  request.on("error", (error: NodeJS.ErrnoException) => {
    const gone = error.code === "ENOENT" || error.code === "ECONNREFUSED";
    resolve(gone ? "gone" : `${error.code ?? ""} ${error.message}`);
  });
  request.end(JSON.stringify(body));
  return promise;
}

it.run();
