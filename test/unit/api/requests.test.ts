import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endpoints } from "../../../src/api/contract/endpoints.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { ApiWorld } from "../../support/api-world.ts";
import { peer } from "../../support/inventory.ts";

const it = suite("api requests");
const json = { "content-type": "application/json" };

it("carries index, mode, generation and leader contact on every answer", async () => {
  const world = new ApiWorld();
  for (const url of ["/v1/status", "/v1/nodes/none", "/nowhere", "/healthz", "/v1/nodes?x=1"]) {
    const { headers } = await world.get(url);
    assert.is(headers["muster-index"], String(world.inventory.view.appliedIndex), url);
    assert.is(headers["muster-mode"], "normal", url);
    assert.is(headers["muster-generation"], "1", url);
    assert.is(headers["muster-leader-contact-ms"], "12", url);
  }
});

it("says -1 for an agent that never heard of a leader", async () => {
  const world = new ApiWorld();
  world.joined = false;
  assert.is((await world.get("/v1/status")).headers["muster-leader-contact-ms"], "-1");
});

it("answers an unknown path with a 404 problem", async () => {
  const { status, headers, json: problem } = await new ApiWorld().get("/v1/nodez");
  assert.is(status, 404);
  assert.match(String(headers["content-type"]), /^application\/problem\+json/);
  assert.is(problem["code"], "NO_SUCH_ROUTE");
  assert.is(problem["status"], 404);
  assert.ok(problem["type"] && problem["title"] && problem["detail"]);
});

it("answers a wrong method with 405 and the methods there are", async () => {
  const answer = await new ApiWorld().send({ method: "POST", url: "/v1/nodes/n1" });
  assert.is(answer.status, 405);
  assert.is(answer.headers["allow"], "GET, PATCH, DELETE");
});

it("answers a malformed escape in the path with 400", async () => {
  const { status, json: problem } = await new ApiWorld().get("/v1/nodes/%zz");
  assert.is(status, 400);
  assert.is(problem["code"], "INVALID_REQUEST");
});

it("names an unknown query key and the nearest known one", async () => {
  const { status, json: problem } = await new ApiWorld().get("/v1/nodes?selektor=a");
  assert.is(status, 400);
  assert.is(problem["code"], "UNKNOWN_FIELD");
  assert.match(String(problem["detail"]), /"selektor".*"selector"/);
});

it("refuses a query key that is given twice", async () => {
  const { status, json: problem } = await new ApiWorld().get("/v1/nodes?phase=failed&phase=failed");
  assert.is(status, 400);
  assert.match(String(problem["detail"]), /phase/);
});

it("names an unknown body key, also inside, and the nearest known one", async () => {
  const world = new ApiWorld();
  const payload = JSON.stringify({ action: "commission", all: true, strategy: { canry: 1 } });
  const { status, json: problem } = await world.send({
    method: "POST",
    url: "/v1/jobs",
    headers: json,
    payload,
  });
  assert.is(status, 400);
  assert.match(String(problem["detail"]), /"strategy\.canry".*"canary"/);
  assert.equal(world.submitted, []);
});

it("lists every bad field at once", async () => {
  const payload = JSON.stringify({ action: "explode", all: "yes" });
  const { status, json: problem } = await new ApiWorld().send({
    method: "POST",
    url: "/v1/jobs",
    headers: json,
    payload,
  });
  assert.is(status, 400);
  const fields = (problem["problems"] as { field: string }[]).map(({ field }) => field);
  assert.equal(fields.sort(), ["action", "all"]);
  assert.match(String(problem["detail"]), /commission, decommission/);
});

for (const [what, payload] of [
  ["cut off", '{"action":'],
  ["with a prototype key", '{"vars":{"__proto__":{"a":1}}}'],
  ["with a number that no double holds", '{"vars":{"a":[1,{"b":-1e999}]}}'],
  ["nested too deep", `{"vars":{"a":${"[".repeat(100)}${"]".repeat(100)}}}`],
] as const) {
  it(`refuses JSON that is ${what}`, async () => {
    const world = new ApiWorld();
    const answer = await world.send({
      method: "PATCH",
      url: "/v1/nodes/n1",
      headers: json,
      payload,
    });
    assert.is(answer.status, 400);
    assert.is(answer.json["code"], "MALFORMED_JSON");
    assert.equal(world.submitted, []);
  });
}

it("says of a number that it is out of range, where the contract takes any JSON", async () => {
  const world = new ApiWorld();
  const request = { method: "PUT", url: "/v1/vars/a", headers: json } as const;
  const answer = await world.send({ ...request, payload: '{"value":1e999}' });
  assert.is(answer.status, 400);
  assert.match(String(answer.json["detail"]), /out of range/);
  const fits = await world.send({
    ...request,
    payload: '{"value":[1.7976931348623157e308,1e-999]}',
  });
  assert.is(fits.status, 200);
});

it("refuses a name in the path that is too long, and does not send it back", async () => {
  for (const length of [1025, 5000, 12_000]) {
    const name = "x".repeat(length);
    const { status, json: problem } = await new ApiWorld().get(`/v1/nodes/${name}`);
    assert.is(status, 400);
    assert.is(problem["code"], "INVALID_REQUEST");
    assert.match(String(problem["detail"]), /more than 1024 characters/);
  }
});

it("says which key it does not take, instead of calling JSON no JSON", async () => {
  const world = new ApiWorld();
  const payload = '{"__proto__":1}';
  const answer = await world.send({ method: "PUT", url: "/v1/vars/a", headers: json, payload });
  assert.match(String(answer.json["detail"]), /key "__proto__"/);
  const cut = await world.send({
    method: "PUT",
    url: "/v1/vars/a",
    headers: json,
    payload: '{"a":',
  });
  assert.match(String(cut.json["detail"]), /not JSON/);
});

for (const payload of ["[]", '"text"', "7", "null"]) {
  it(`refuses a body that is no object: ${payload}`, async () => {
    const world = new ApiWorld();
    const answer = await world.send({ method: "PUT", url: "/v1/vars/a", headers: json, payload });
    assert.is(answer.status, 400);
    assert.is(answer.json["code"], "INVALID_REQUEST");
    assert.equal(world.submitted, []);
  });
}

it("asks for a body where one is needed", async () => {
  const answer = await new ApiWorld().send({ method: "PUT", url: "/v1/vars/a" });
  assert.is(answer.status, 400);
  assert.match(String(answer.json["detail"]), /body is needed/);
});

it("refuses a body that is not JSON by its type", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const send = { method: "PUT", url: "/v1/vars/a", headers, payload: "value=1" } as const;
  const answer = await new ApiWorld().send(send);
  assert.is(answer.status, 415);
  assert.is(answer.json["code"], "UNSUPPORTED_MEDIA_TYPE");
});

it("takes a merge patch by PATCH only", async () => {
  const world = new ApiWorld();
  const headers = { "content-type": "application/merge-patch+json" };
  const patch = await world.send({
    method: "PATCH",
    url: "/v1/vars",
    headers,
    payload: '{"a":{"b":[1]}}',
  });
  assert.is(patch.status, 200);
  const put = await world.send({
    method: "PUT",
    url: "/v1/vars/a",
    headers,
    payload: '{"value":1}',
  });
  assert.is(put.status, 415);
});

it("refuses a body over 1 MiB and changes nothing", async () => {
  const world = new ApiWorld();
  const payload = JSON.stringify({ value: "x".repeat(1024 * 1024) });
  const answer = await world.send({ method: "PUT", url: "/v1/vars/a", headers: json, payload });
  assert.is(answer.status, 413);
  assert.is(answer.json["code"], "TOO_LARGE");
  assert.equal(world.submitted, []);
});

it("confirms with the leader before a linearizable read, and not before a local one", async () => {
  const world = new ApiWorld();
  await world.get("/v1/nodes/n1?consistency=local");
  assert.is(world.barriers, 0);
  assert.is((await world.get("/v1/nodes/n1?consistency=linearizable")).status, 200);
  assert.is(world.barriers, 1);
  assert.is((await world.get("/v1/nodes/n1?consistency=strong")).status, 400);
});

it("answers a linearizable read without a leader with 503 and Retry-After", async () => {
  const world = new ApiWorld();
  world.barrierFails = new AgentError("NO_LEADER", "No leader confirmed the read in 5 s");
  const answer = await world.get("/v1/nodes?consistency=linearizable");
  assert.is(answer.status, 503);
  assert.is(answer.json["code"], "NO_LEADER");
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  assert.is((await world.get("/v1/nodes")).status, 200);
});

it("says what would help when no quorum is left, and marks the history of every answer", async () => {
  const world = new ApiWorld();
  const current = { ...bootstrapGeneration("c"), n: 2, id: "1f0c55a1".padEnd(32, "0") };
  world.lineage = {
    generations: () => [bootstrapGeneration("c"), current],
    writtenIn: () => current.id,
    leftBehind: () => [],
    isProvisional: () => true,
    outlook: () => ({ why: `${peer("n2")} is silent for 3 s; acts in 27 s`, waitMs: 26_400 }),
    plan: () => Promise.reject(new Error("not asked for")),
    recover: () => Promise.reject(new Error("not asked for")),
  };
  world.submitFails = new AgentError("NO_LEADER", "No leader was found in time.");
  const put = { method: "PUT", url: "/v1/vars/a", headers: json, payload: '{"value":1}' } as const;
  const answer = await world.send(put);
  assert.is(answer.status, 503);
  assert.is(answer.json["code"], "READ_ONLY");
  assert.is(
    answer.json["detail"],
    "No leader was found in time. Out of reach: n2, n3; it takes 2 of 3 voters. Reads go on. To write: wait 27s more, start n2 or n3, or go on without them: muster operator recover --plan",
  );
  const { headers } = await world.get("/v1/nodes");
  assert.is(headers["muster-generation"], "2/1f0c55a1; provisional");
  const { json: status } = await world.get("/v1/status");
  assert.is(status["outlook"], "n2 is silent for 3 s; acts in 27 s");
});

it("names the voters that are out of reach when there is no leader", async () => {
  const world = new ApiWorld();
  world.submitFails = new AgentError("NO_LEADER", "No leader was found in time.");
  const put = { method: "PUT", url: "/v1/vars/a", headers: json, payload: '{"value":1}' } as const;
  const answer = await world.send(put);
  assert.is(answer.status, 503);
  assert.is(answer.json["code"], "NO_LEADER");
  assert.equal(answer.json["details"], { missing: ["n2", "n3"] });
  assert.is(
    answer.json["detail"],
    "No leader was found in time. Out of reach: n2, n3; it takes 2 of 3 voters",
  );
});

const failures: readonly (readonly [string, number, boolean])[] = [
  ["NO_LEADER", 503, true],
  ["READ_ONLY", 503, true],
  ["BUSY", 503, true],
  ["STOPPED", 503, true],
  ["NO_CLUSTER", 503, true],
  ["TOO_LARGE", 413, false],
  ["UNKNOWN_OUTCOME", 504, false],
];
for (const [code, status, retry] of failures) {
  it(`answers a write that failed with ${code} with ${status}`, async () => {
    const world = new ApiWorld();
    world.submitFails = new AgentError(code, "because", { missing: ["n2"] });
    const send = {
      method: "PUT",
      url: "/v1/vars/a",
      headers: json,
      payload: '{"value":1}',
    } as const;
    const answer = await world.send(send);
    assert.is(answer.status, status);
    assert.is(answer.json["code"], code);
    assert.is(answer.headers["retry-after"] !== undefined, retry);
    assert.equal(answer.json["details"], { missing: ["n2"] });
  });
}

it("waits as long as an overloaded leader asks", async () => {
  const world = new ApiWorld();
  world.submitFails = new AgentError("BUSY", "queue full", { retryAfterMs: 3200 });
  const send = { method: "PUT", url: "/v1/vars/a", headers: json, payload: '{"value":1}' } as const;
  assert.is((await world.send(send)).headers["retry-after"], "4");
});

it("hides an unexpected error behind an id that the log knows", async () => {
  const world = new ApiWorld();
  world.submitFails = new TypeError("secret internals of /opt/agent/x.ts");
  const send = { method: "PUT", url: "/v1/vars/a", headers: json, payload: '{"value":1}' } as const;
  const answer = await world.send(send);
  assert.is(answer.status, 500);
  assert.is(answer.json["code"], "INTERNAL");
  assert.not.match(answer.text, /secret internals|at .*\.ts/);
  const [entry] = world.logged;
  assert.is((entry?.data as { id?: string }).id, answer.json["id"]);
  assert.match(JSON.stringify(entry?.data), /secret internals/);
});

it("serves what comes while it stops, and asks to close the connection", async () => {
  const world = new ApiWorld();
  assert.is.not((await world.get("/v1/status")).headers["connection"], "close");
  world.stopping.abort();
  const answer = await world.get("/v1/status");
  assert.is(answer.status, 200);
  assert.is(answer.headers["connection"], "close");
});

it("lets a reader read and only an admin write; nobody without a token", async () => {
  const world = new ApiWorld({ proof: "token" });
  world.tokens.set("r", { actor: "token:r", role: "reader" });
  world.tokens.set("a", { actor: "token:a", role: "admin" });
  const put = { method: "PUT", url: "/v1/vars/a", payload: '{"value":1}' } as const;
  const as = (token: string) => ({ ...json, authorization: `Bearer ${token}` });
  const anonymous = await world.get("/v1/nodes");
  assert.is(anonymous.status, 401);
  assert.is(anonymous.headers["www-authenticate"], "Bearer");
  assert.is((await world.get("/v1/nodes", { authorization: "Bearer wrong" })).status, 401);
  assert.is((await world.get("/v1/nodes", as("r"))).status, 200);
  assert.is((await world.send({ ...put, headers: as("r") })).status, 403);
  assert.equal(world.submitted, []);
  assert.is((await world.send({ ...put, headers: as("a") })).status, 200);
  assert.is(world.submitted[0]?.by, "token:a");
});

it("guards every route of the table by its own access", async () => {
  const world = new ApiWorld({ proof: "token" });
  for (const { method, path, auth } of Object.values(endpoints)) {
    const url = path.replaceAll(/\{\w+\}/g, "x");
    const { status } = await world.send({ method, url });
    if (auth === "none") assert.is.not(status, 401, `${method} ${path}`);
    else assert.is(status, 401, `${method} ${path}`);
  }
});

it("refuses without a token before it looks at the body", async () => {
  const world = new ApiWorld({ proof: "token" });
  const send = { method: "PUT", url: "/v1/vars/a", headers: json, payload: "{not json" } as const;
  assert.is((await world.send(send)).status, 401);
});

it("is ready only when a leader confirms, and healthy in any case", async () => {
  const world = new ApiWorld();
  assert.is((await world.get("/readyz")).status, 200);
  world.barrierFails = new AgentError("NO_LEADER", "none");
  const answer = await world.get("/readyz");
  assert.is(answer.status, 503);
  assert.is(answer.json["code"], "NOT_READY");
  world.joined = false;
  assert.is((await world.get("/readyz")).status, 503);
  assert.is((await world.get("/healthz")).status, 200);
});

it.run();
