/** What a write promises: read your write anywhere, one winner, exactly once, also while leaders die. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { code, patchNode } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("writes");
let cluster: TestCluster;

it.before(async () => {
  cluster = await TestCluster.start({ size: 3, args: ["--snapshot-entries", "30"] });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

it("answers every read and takes every write on a follower, and shows the write in the next read there", async () => {
  const follower = await cluster.follower();
  for (let i = 0; i < 20; i += 1) {
    const put = await follower.api("PUT", "/v1/vars/mine", { body: { value: i } });
    assert.is(put.status, 200, put.text);
    const read = await follower.get<{ value: number }>("/v1/vars/mine");
    assert.is(read.value, i);
  }
  for (const route of [
    "/v1/status",
    "/v1/members",
    "/v1/nodes",
    "/v1/jobs",
    "/v1/events",
    "/v1/config",
  ]) {
    const answer = await follower.api("GET", route);
    assert.is(answer.status, 200, `${route}: ${answer.text}`);
    for (const header of [
      "muster-index",
      "muster-mode",
      "muster-generation",
      "muster-leader-contact-ms",
    ]) {
      assert.ok(answer.headers[header] !== undefined, `${route} has no ${header}`);
    }
  }
});

it("lets one of two writes with the same version win; the other gets 412 and changes nothing", async () => {
  const created = await cluster.first.api("PUT", "/v1/vars/contested", {
    body: { value: "first" },
    headers: { "if-none-match": "*" },
  });
  assert.is(created.status, 200, created.text);
  const etag = String(created.headers.etag);
  const answers = await Promise.all(
    [0, 1, 2].map((i) =>
      cluster.agent(i).api("PUT", "/v1/vars/contested", {
        body: { value: `from ${i}` },
        headers: { "if-match": etag },
      }),
    ),
  );
  assert.equal(answers.map((answer) => answer.status).sort(), [200, 412, 412]);
  const winner = answers.findIndex((answer) => answer.status === 200);
  const now = await cluster.agent(winner).get<{ value: string }>("/v1/vars/contested");
  assert.is(now.value, `from ${winner}`);
  const again = await cluster.first.api("PUT", "/v1/vars/contested", {
    body: { value: "x" },
    headers: { "if-none-match": "*" },
  });
  assert.ok([409, 412].includes(again.status), again.text);
  const seen = await cluster.first.api("GET", "/v1/nodes/n1");
  const nodeWrites = await Promise.all(
    ["a", "b"].map((value) =>
      cluster.first.api("PATCH", "/v1/nodes/n1", {
        body: { labels: { who: value } },
        headers: {
          "if-match": String(seen.headers.etag),
          "content-type": "application/merge-patch+json",
        },
      }),
    ),
  );
  assert.equal(nodeWrites.map((answer) => answer.status).sort(), [200, 412]);
});

it("does a retried write with the same idempotency key once: other agent, leader kill, compaction", async () => {
  const headers = { "idempotency-key": "make-one-token" };
  const create = { kind: "join", uses: 1 } as const;
  const first = await cluster.agent(0).api("POST", "/v1/tokens", { body: create, headers });
  assert.is(first.status, 201, first.text);
  const count = async (): Promise<number> => {
    const all = await cluster.live().get<{ items: unknown[] }>("/v1/tokens");
    return all.items.length;
  };
  const before = await count();
  const put = { body: { value: "once" }, headers: { "idempotency-key": "put-once" } };
  const one = await cluster.agent(0).api("PUT", "/v1/vars/once", put);
  const elsewhere = await cluster.agent(1).api("PUT", "/v1/vars/once", put);
  assert.is(elsewhere.status, one.status, elsewhere.text);
  assert.is(elsewhere.headers.etag, one.headers.etag);

  const leader = await cluster.leader();
  await leader.kill("SIGKILL");
  await cluster.leader(leader);
  // Past the next snapshots, so that the key is remembered by a compacted state.
  for (let i = 0; i < 80; i += 1) {
    const answer = await cluster.live(leader).api("PUT", "/v1/vars/filler", { body: { value: i } });
    assert.is(answer.status, 200, answer.text);
  }
  const after = await cluster.live(leader).api("PUT", "/v1/vars/once", put);
  assert.is(after.status, one.status, after.text);
  assert.is(after.headers.etag, one.headers.etag);
  await cluster.live(leader).api("POST", "/v1/tokens", { body: create, headers });
  assert.is(await count(), before);
  cluster.restart(leader);
  await cluster.settled(3);
  const back = await leader.api("PUT", "/v1/vars/once", put);
  assert.is(back.headers.etag, one.headers.etag);
  const other = await cluster.live().api("PUT", "/v1/vars/once", {
    body: { value: "something else" },
    headers: { "idempotency-key": "put-once" },
  });
  assert.is(other.status, 422, other.text);
  assert.is(code(other), "IDEMPOTENCY_MISMATCH");
});

it("loses no acknowledged write while leaders are killed, and applies none twice", async () => {
  const acknowledged: number[] = [];
  const state = { stop: false };
  const writer = async (): Promise<void> => {
    for (let i = 0; !state.stop; i += 1) {
      const headers = { "idempotency-key": `w-${i}` };
      await until({ what: `write ${i} is taken` }, async () => {
        const agent = cluster.live();
        const answer = await agent.api("PUT", `/v1/vars/w-${i}`, { body: { value: i }, headers });
        return answer.status === 200;
      });
      acknowledged.push(i);
    }
  };
  const writing = writer();
  for (let round = 0; round < 3; round += 1) {
    const goal = acknowledged.length + 10;
    await until({ what: "some writes are done" }, () => acknowledged.length >= goal);
    const leader = await cluster.leader();
    await leader.kill("SIGKILL");
    await cluster.leader(leader);
    cluster.restart(leader);
    await cluster.settled(3);
  }
  state.stop = true;
  await writing;
  for (const agent of cluster.agents) {
    const { vars } = await agent.get<{ vars: Record<string, unknown> }>(
      "/v1/vars?consistency=linearizable",
    );
    for (const i of acknowledged) assert.is(vars[`w-${i}`], i, `${agent.name} lost w-${i}`);
  }
});

it("patches several variables atomically, or none of them", async () => {
  const answer = await cluster.first.api("PATCH", "/v1/vars", {
    body: { good: 1, ["x".repeat(500)]: 2 },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.ok(answer.status >= 400, answer.text);
  assert.is((await cluster.first.api("GET", "/v1/vars/good")).status, 404);
  assert.is((await patchNode(cluster.first, "n1", { vars: { deep: { a: 1 } } })).status, 200);
});

it.run();
