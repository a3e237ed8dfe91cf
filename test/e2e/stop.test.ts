/** SIGTERM ends an agent soon and in order, whatever it waits for. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
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

it.run();
