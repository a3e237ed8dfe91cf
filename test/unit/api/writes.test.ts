import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Command } from "../../../src/inventory/commands.ts";
import { ApiWorld } from "../../support/api-world.ts";

const it = suite("api conditional and repeated writes");
const json = { "content-type": "application/json" };

function put(value: unknown, headers: Record<string, string> = {}, url = "/v1/vars/a") {
  const payload = JSON.stringify({ value });
  return { method: "PUT", url, headers: { ...json, ...headers }, payload } as const;
}

it("gives the version as ETag and takes it back in If-Match", async () => {
  const world = new ApiWorld();
  const first = await world.send(put(1));
  assert.is(first.status, 200);
  assert.is(first.headers["etag"], `"${String(first.json["version"])}"`);
  const second = await world.send(put(2, { "if-match": String(first.headers["etag"]) }));
  assert.is(second.status, 200);
  const stale = await world.send(put(3, { "if-match": String(first.headers["etag"]) }));
  assert.is(stale.status, 412);
  assert.is(stale.json["code"], "VERSION_MISMATCH");
  assert.is((await world.get("/v1/vars/a")).json["value"], 2);
});

it("creates with If-None-Match: * and refuses with 412 what exists", async () => {
  const world = new ApiWorld();
  assert.is((await world.send(put(1, { "if-none-match": "*" }))).status, 200);
  const again = await world.send(put(2, { "if-none-match": "*" }));
  assert.is(again.status, 412);
  assert.is((await world.get("/v1/vars/a")).json["value"], 1);
});

it("refuses conditions it could not keep exactly", async () => {
  const world = new ApiWorld();
  for (const headers of [
    { "if-match": 'W/"5"' },
    { "if-match": "5" },
    { "if-match": '"5", "6"' },
    { "if-match": "*" },
    { "if-none-match": '"5"' },
    { "if-match": '"5"', "if-none-match": "*" },
  ] as Record<string, string>[]) {
    assert.is((await world.send(put(1, headers))).status, 400, JSON.stringify(headers));
  }
  const patch = { method: "PATCH", url: "/v1/vars", payload: '{"a":1}' } as const;
  const answer = await world.send({ ...patch, headers: { ...json, "if-match": '"1"' } });
  assert.is(answer.status, 400);
  assert.equal(world.submitted, []);
});

/** Another client's command is applied between the request's and its answer, as in one batch of entries. */
function overtakenBy(command: Command): ApiWorld {
  const world = new ApiWorld();
  const { submit } = world.context;
  world.context.submit = async (...request) => {
    const result = await submit(...request);
    world.inventory.send(command);
    return result;
  };
  return world;
}

it("answers a write with what it wrote and its own ETag, not with what another wrote since", async () => {
  const world = overtakenBy({ type: "var.put", key: "a", value: "other" });
  const mine = await world.send(put("mine"));
  assert.is(mine.status, 200, mine.text);
  assert.is(mine.json["value"], "mine");
  assert.is(mine.headers["etag"], `"${String(mine.json["version"])}"`);
  // Read-modify-write with the ETag of the answer must not undo what the other wrote.
  const next = await world.send(put("mine 2", { "if-match": String(mine.headers["etag"]) }));
  assert.is(next.status, 412, next.text);
});

it("answers a write whose record was deleted since as the success that it was", async () => {
  const variable = await overtakenBy({ type: "var.delete", key: "a" }).send(put(1));
  assert.is(variable.status, 200, variable.text);
  const role = await overtakenBy({ type: "role.delete", role: "web" }).send({
    method: "PUT",
    url: "/v1/roles/web",
    headers: json,
    payload: '{"vars":{"port":80}}',
  });
  assert.is(role.status, 200, role.text);
  assert.equal(role.json["vars"], { port: 80 });
});

it("gives the ETag of its own write for roles, settings and nodes too", async () => {
  const patch = (url: string, body: object) => ({
    method: "PATCH" as const,
    url,
    headers: json,
    payload: JSON.stringify(body),
  });
  const settings = { autoCommission: null, repair: "auto" } as const;
  const cases = [
    [
      overtakenBy({ type: "role.put", role: "web", vars: { port: 81 } }),
      { method: "PUT", url: "/v1/roles/web", headers: json, payload: '{"vars":{"port":80}}' },
    ],
    [overtakenBy({ type: "settings.put", settings }), patch("/v1/settings", { repair: "off" })],
    [
      overtakenBy({ type: "node.patch", node: "n2", labels: { rack: "r2" } }),
      patch("/v1/nodes/n2", { labels: { rack: "r1" } }),
    ],
  ] as const;
  for (const [world, request] of cases) {
    const first = await world.send(request);
    assert.is(first.status, 200, first.text);
    const headers = { ...json, "if-match": String(first.headers["etag"]) };
    const stale = await world.send({ ...request, headers });
    assert.is(stale.status, 412, `${request.url}: ${stale.text}`);
  }
});

it("gives a node one version over its record, its labels and its roles", async () => {
  const world = new ApiWorld();
  const patch = (body: object, headers = {}) =>
    world.send({
      method: "PATCH",
      url: "/v1/nodes/n2",
      headers: { ...json, ...headers },
      payload: JSON.stringify(body),
    });
  const labelled = await patch({ labels: { rack: "r1" } });
  const etag = String(labelled.headers["etag"]);
  const withRole = await patch({ roles: ["web"] }, { "if-match": etag });
  assert.is(withRole.status, 200);
  assert.equal(withRole.json["labels"], { rack: "r1" });
  assert.is((await patch({ labels: { rack: null } }, { "if-match": etag })).status, 412);
  assert.equal((await world.get("/v1/nodes/n2")).json["labels"], { rack: "r1" });
});

it("does a write with the same Idempotency-Key once", async () => {
  const world = new ApiWorld();
  const key = { "idempotency-key": "k1" };
  const first = await world.send(put(1, key));
  await world.send(put(2));
  const repeated = await world.send(put(1, key));
  assert.is(first.status, 200);
  assert.is(repeated.status, 200);
  assert.is((await world.get("/v1/vars/a")).json["value"], 2);
});

it("tells requests with one key apart by method, path and body, not by spelling", async () => {
  const world = new ApiWorld();
  const headers = { ...json, "idempotency-key": "k1" };
  const send = (payload: string, url = "/v1/vars/a") =>
    world.send({ method: "PUT", url, headers, payload });
  assert.is((await send('{"value":{"x":1,"y":2}}')).status, 200);
  assert.is((await send('{ "value": {"y":2, "x":1} }')).status, 200);
  const other = await send('{"value":3}');
  assert.is(other.status, 422);
  assert.is(other.json["code"], "IDEMPOTENCY_MISMATCH");
  assert.is((await send('{"value":{"x":1,"y":2}}', "/v1/vars/b")).status, 422);
});

it("refuses an Idempotency-Key that is too long or not printable", async () => {
  const world = new ApiWorld();
  assert.is((await world.send(put(1, { "idempotency-key": "x".repeat(255) }))).status, 200);
  assert.is((await world.send(put(1, { "idempotency-key": "x".repeat(256) }))).status, 400);
  assert.is((await world.send(put(1, { "idempotency-key": "é" }))).status, 400);
});

it("answers a repeated job creation with the job of the first, though prechecks now fail", async () => {
  const world = new ApiWorld();
  const send = {
    method: "POST",
    url: "/v1/jobs",
    headers: { ...json, "idempotency-key": "job-1" },
    payload: JSON.stringify({ action: "decommission", nodes: ["n2"], force: true }),
  } as const;
  const commission = { action: "cleanup", nodes: ["n2"] };
  const first = await world.send({ ...send, payload: JSON.stringify(commission) });
  assert.is(first.status, 202, first.text);
  world.inventory.ok({ type: "job.cancel", job: String(first.json["id"]) });
  world.inventory.ok({ type: "node.forget", node: "n2", force: true });
  const repeated = await world.send({ ...send, payload: JSON.stringify(commission) });
  assert.is(repeated.status, 202, repeated.text);
  assert.is(repeated.json["id"], first.json["id"]);
  const without = await world.send({ ...send, headers: json, payload: JSON.stringify(commission) });
  assert.is(without.status, 422);
});

it("says that a duration wants a unit, and which one was meant", async () => {
  const world = new ApiWorld();
  const patch = (survivor: object) =>
    world.send({
      method: "PATCH",
      url: "/v1/settings",
      headers: json,
      payload: JSON.stringify({ survivor }),
    });
  const timed = (value: unknown) => ({ command: ["fence"], timeout: value });
  for (const wrong of [2, "2", 1.5]) {
    for (const body of [{ silence: wrong }, { cold: wrong }, { fence: timed(wrong) }]) {
      const { status, text } = await patch(body);
      assert.is(status, 400, text);
      assert.match(text, /must be a duration with a unit, such as 90s, 15m, 1h30m/);
      assert.ok(text.includes(`did you mean ${wrong}s?`), text);
    }
  }
  for (const odd of [{ toString: 1, valueOf: 1 }, [2], null, true]) {
    const { status, text } = await patch({ silence: odd });
    assert.is(status, 400, text);
    assert.not.match(text, /did you mean/);
  }
  const { text } = await patch({ silence: "soon" });
  assert.match(text, /"survivor.silence\\" must be a duration with a unit/);
  assert.not.match(text, /did you mean/);
  assert.is((await patch({ silence: "2s", cold: "4s", fence: timed("5s") })).status, 200);
});

it("merges settings without losing what another patch set meanwhile", async () => {
  const world = new ApiWorld();
  const patch = (body: object) =>
    world.send({
      method: "PATCH",
      url: "/v1/settings",
      headers: json,
      payload: JSON.stringify(body),
    });
  const both = await Promise.all([
    patch({ repair: "auto" }),
    patch({ autoCommission: { selector: "rack=r1", roles: ["web"] } }),
  ]);
  assert.equal(
    both.map(({ status }) => status),
    [200, 200],
  );
  const { json: answer, headers } = await world.get("/v1/settings");
  assert.equal(answer["settings"], {
    autoCommission: { selector: "rack=r1", roles: ["web"] },
    repair: "auto",
    survivor: { auto: "silence", silence: "30s", cold: "2m", hold: false, fence: null },
  });
  assert.is(headers["etag"], `"${String(answer["version"])}"`);
  assert.is((await patch({ autoCommission: null })).status, 200);
  assert.is((await patch({ autoCommission: { selector: "x" } })).status, 422);
  assert.is((await patch({ repair: "maybe" })).status, 400);
});

it("changes one survivor setting and keeps the others; refuses what is out of range", async () => {
  const world = new ApiWorld();
  const patch = (survivor: object) =>
    world.send({
      method: "PATCH",
      url: "/v1/settings",
      headers: json,
      payload: JSON.stringify({ survivor }),
    });
  assert.is((await patch({ silence: "5s" })).status, 200);
  assert.is((await patch({ fence: { command: ["/usr/local/bin/fence", "--off"] } })).status, 200);
  const { json: answer } = await world.get("/v1/settings");
  assert.equal((answer["settings"] as { survivor: unknown }).survivor, {
    auto: "silence",
    silence: "5s",
    cold: "2m",
    hold: false,
    fence: { command: ["/usr/local/bin/fence", "--off"], timeout: "30s" },
  });
  assert.is((await patch({ fence: null })).status, 200);
  for (const bad of [{ silence: "10ms" }, { cold: "90d" }, { fence: { command: [] } }]) {
    assert.is((await patch(bad)).status, 422, JSON.stringify(bad));
  }
  for (const bad of [{ silence: 5 }, { auto: "sometimes" }]) {
    assert.is((await patch(bad)).status, 400, JSON.stringify(bad));
  }
});

it("shows a token once, and says so when the request is repeated", async () => {
  const world = new ApiWorld();
  const send = {
    method: "POST",
    url: "/v1/tokens",
    headers: { ...json, "idempotency-key": "t1" },
    payload: JSON.stringify({ kind: "join", uses: 2, ttl: "1h30m" }),
  } as const;
  const created = await world.send(send);
  assert.is(created.status, 201);
  const token = String(created.json["token"]);
  assert.match(token, /^join-secret-/);
  const list = await world.get("/v1/tokens");
  assert.not.match(list.text, new RegExp(token));
  assert.not.match(list.text, /verifier|cdcdcd/);
  const repeated = await world.send(send);
  assert.is(repeated.status, 409);
  assert.is(repeated.json["code"], "TOKEN_SHOWN");
  const id = String(created.json["id"]);
  assert.is((await world.send({ method: "DELETE", url: `/v1/tokens/${id}` })).status, 204);
  const items = (await world.get("/v1/tokens")).json["items"] as Record<string, unknown>[];
  assert.ok(items.find((item) => item["id"] === id)?.["revokedAt"]);
});

it("refuses tokens of a shape that cannot be", async () => {
  const world = new ApiWorld();
  for (const body of [
    { kind: "join", role: "admin" },
    { kind: "api", uses: 3 },
    { kind: "api", ttl: "soon" },
    { kind: "api", ttl: "0s" },
    { kind: "other" },
  ]) {
    const send = { method: "POST", url: "/v1/tokens", headers: json } as const;
    const answer = await world.send({ ...send, payload: JSON.stringify(body) });
    assert.is(answer.status, 400, JSON.stringify(body));
  }
});

it.run();
