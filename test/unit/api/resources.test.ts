import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Member } from "../../../src/api/contract/cluster.ts";
import { type Json } from "../../../src/base/json.ts";
import { ApiWorld } from "../../support/api-world.ts";
import {
  cluster,
  commission,
  facts,
  jobCreate,
  manifest,
  peer,
  setRevision,
} from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("api resources");
const json = { "content-type": "application/json" };

function body(method: "POST" | "PUT" | "PATCH", url: string, payload: object) {
  return { method, url, headers: json, payload: JSON.stringify(payload) } as const;
}

interface Listing {
  readonly items: readonly Readonly<Record<string, Json>>[];
  readonly next: string | null;
}

async function list(world: ApiWorld, url: string): Promise<Listing> {
  const answer = await world.get(url);
  assert.is(answer.status, 200, answer.text);
  return answer.json as unknown as Listing;
}

const namesOf = ({ items }: Listing) => items.map(({ name }) => name);

it("shows the cluster at a glance", async () => {
  const world = new ApiWorld();
  const parts = { incarnation: 3, rttMs: 0.4, tags: { role: "x" } };
  world.members = ["n1", "n2"].map((name) => memberView({ id: peer(name), name, ...parts }));
  const { json: status } = await world.get("/v1/status");
  assert.equal(status["cluster"], {
    id: "cluster-1",
    name: "test",
    generation: 1,
    generationId: null,
    provisional: false,
    missing: [],
    conflicts: 0,
  });
  assert.is(status["node"], "n1");
  assert.is(status["mode"], "normal");
  assert.equal(status["leader"], { id: peer("n2"), name: "n2" });
  assert.equal(status["voters"], [
    { id: peer("n1"), name: "n1", reachable: true },
    { id: peer("n2"), name: "n2", reachable: true },
    { id: peer("n3"), name: "n3", reachable: false },
  ]);
  const counts = status["nodes"] as { total: number; byPhase: Record<string, number> };
  assert.is(counts.total, 3);
  assert.is(counts.byPhase["discovered"], 3);
  assert.is(counts.byPhase["failed"], 0);
  const members = (await world.get("/v1/members")).json;
  const [own, other] = members as unknown as { since: string; healthScore: number | null }[];
  assert.equal(
    { ...own, since: "" },
    {
      id: peer("n1"),
      name: "n1",
      address: "10.0.0.1:7700",
      status: "alive",
      incarnation: 3,
      rttMs: 0.4,
      tags: { role: "x" },
      since: "",
      lane: null,
      datagrams: false,
      datagramsPass: null,
      degraded: false,
      healthScore: 2,
      bootId: "b",
      protocol: { min: 1, max: 1 },
    },
  );
  assert.is(other?.healthScore, null, "nobody knows the score of another");
});

it("shows since when a member is what it is, on the asked agent's clock", async () => {
  const clock = new VirtualClock();
  const world = new ApiWorld({ clock });
  await clock.advance(90_000);
  world.members = [memberView({ id: peer("n2"), name: "n2", since: 30_000 })];
  const members = (await world.get("/v1/members")).json as unknown as { since: string }[];
  assert.is(clock.wallMs() - Date.parse(members[0]?.since ?? ""), 60_000);
});

it("shows the view of another agent, by name or id, and says why it cannot", async () => {
  const world = new ApiWorld();
  world.members = [memberView({ id: peer("n1"), name: "n1" })];
  const own = (await world.get("/v1/members")).json as unknown as Member[];
  world.views.set(
    peer("n2"),
    own.map((member) => ({ ...member, status: "failed" })),
  );
  for (const asked of ["n2", peer("n2")]) {
    const answer = await world.get(`/v1/members?of=${asked}`);
    assert.is((answer.json as unknown as Member[])[0]?.status, "failed", answer.text);
  }
  assert.equal((await world.get("/v1/members?of=n1")).json, own);
  const silent = await world.get("/v1/members?of=n3");
  assert.equal([silent.status, silent.json["code"]], [409, "NODE_NOT_REACHABLE"]);
  const unknown = await world.get("/v1/members?of=zz");
  assert.equal([unknown.status, unknown.json["code"]], [404, "NOT_FOUND"]);
  assert.is((await world.get("/v1/members?of=")).status, 400);
  assert.is((await world.get("/v1/members?off=n1")).json["code"], "UNKNOWN_FIELD");
});

it("says in status and why that the leader doubts its own view", async () => {
  const world = new ApiWorld();
  const status = async () => (await world.get("/v1/status")).json["membership"];
  assert.equal(await status(), { uncertain: null, removal: null });
  const cause = { reason: "MassLoss", message: "6 of 12 nodes failed together" };
  const doubt = { observer: peer("n1"), cause };
  world.inventory.ok({ type: "node.reachability", changes: [], doubt });
  const { uncertain } = (await status()) as { uncertain: Record<string, string> };
  assert.equal({ ...uncertain, since: "" }, { ...cause, node: "n1", since: "" });
  const why = (await world.get("/v1/why/node/n2")).json["reasons"] as Json[];
  assert.match(JSON.stringify(why), /MEMBERSHIP_UNCERTAIN.*6 of 12/);
});

it("says in status who calls this node removed, and is not ready meanwhile", async () => {
  const world = new ApiWorld();
  world.removal = { claims: [{ by: peer("n2"), index: 812 }], needed: 2 };
  const { removal } = (await world.get("/v1/status")).json["membership"] as { removal: unknown };
  assert.equal(removal, { by: ["n2"], index: 812, needed: 2 });
  const ready = await world.get("/readyz");
  assert.is(ready.status, 503);
  assert.match(ready.text, /removed from the cluster/);
});

it("pages through nodes in name order without losing one that stays", async () => {
  const world = new ApiWorld({ inventory: cluster("a", "b", "c", "d", "e") });
  const first = await list(world, "/v1/nodes?limit=2");
  assert.equal(namesOf(first), ["a", "b"]);
  world.inventory.ok({ type: "node.forget", node: "b", force: true });
  const second = await list(world, `/v1/nodes?limit=2&cursor=${first.next ?? ""}`);
  assert.equal(namesOf(second), ["c", "d"]);
  const third = await list(world, `/v1/nodes?limit=2&cursor=${second.next ?? ""}`);
  assert.equal(namesOf(third), ["e"]);
  assert.is(third.next, null);
  assert.is((await world.get("/v1/nodes?cursor=!!")).status, 400);
  assert.is((await world.get("/v1/nodes?limit=0")).status, 400);
  assert.is((await world.get("/v1/nodes?limit=many")).status, 400);
});

it("filters nodes by phase, role, reachability and selector together", async () => {
  const world = new ApiWorld({ inventory: cluster("a", "b", "c") });
  commission(world.inventory, "j1", "a");
  for (const [node, rack] of [
    ["a", "r1"],
    ["b", "r1"],
    ["c", "r2"],
  ] as const) {
    world.inventory.ok({ type: "node.patch", node, labels: { rack } });
  }
  world.inventory.ok({ type: "node.patch", node: "a", roles: ["web"] });
  assert.equal(namesOf(await list(world, "/v1/nodes?selector=rack%3Dr1")), ["a", "b"]);
  assert.equal(namesOf(await list(world, "/v1/nodes?selector=rack%3Dr1&phase=discovered")), ["b"]);
  assert.equal(namesOf(await list(world, "/v1/nodes?role=web")), ["a"]);
  assert.equal(namesOf(await list(world, "/v1/nodes?reachability=left")), []);
  for (const bad of ["selector=rack%3D%3D%3D", "selector=", "phase=flying"]) {
    assert.is((await world.get(`/v1/nodes?${bad}`)).status, 400, bad);
  }
});

it("lists what was written a moment ago, though listings are kept while nothing changes", async () => {
  const world = new ApiWorld();
  for (const rack of ["r1", "r2"]) {
    world.inventory.ok({ type: "node.patch", node: "n1", labels: { rack } });
    for (let repeated = 0; repeated < 2; repeated += 1) {
      const { items } = await list(world, "/v1/nodes");
      assert.equal(items[0]?.["labels"], { rack });
    }
  }
});

it("shows one node with all that belongs to it", async () => {
  const world = new ApiWorld();
  world.inventory.ok({ type: "node.facts", id: peer("n2"), facts, address: "10.0.0.9:1" });
  world.inventory.ok({ type: "node.patch", node: "n2", labels: { rack: "r1" }, vars: { a: [1] } });
  commission(world.inventory, "j1", "n2");
  const { status, json: node } = await world.get("/v1/nodes/n2");
  assert.is(status, 200);
  assert.equal(Object.keys(node).sort(), [
    "address",
    "conditions",
    "facts",
    "history",
    "id",
    "job",
    "labels",
    "lastJob",
    "name",
    "phase",
    "reachability",
    "revision",
    "roles",
    "vars",
    "version",
  ]);
  assert.is(node["phase"], "commissioned");
  assert.is(node["lastJob"], "j1");
  assert.equal(node["vars"], { a: [1] });
  const [condition] = node["conditions"] as { type: string; status: string; since: string }[];
  assert.is(condition?.type, "Configured");
  assert.match(condition?.since ?? "", /^\d{4}-\d\d-\d\dT.*Z$/);
  const phases = (node["history"] as { kind: string; to: string }[])
    .filter(({ kind }) => kind === "phase")
    .map(({ to }) => to);
  assert.equal(phases, ["commissioning", "commissioned"]);
  assert.is((await world.get("/v1/nodes/n9")).status, 404);
});

it("pages back through ledger and history of a node, newest first", async () => {
  const world = new ApiWorld();
  commission(world.inventory, "j1", "n2");
  const ledger = await list(world, "/v1/nodes/n2/ledger");
  assert.is(ledger.items.length, 1);
  assert.is(ledger.items[0]?.["run"], "j1/n2/web/configure/1");
  assert.is(ledger.items[0]?.["outcome"], "succeeded");
  const whole = await list(world, "/v1/nodes/n2/history");
  const paged: Json[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const cursor: string = next === "" ? "" : `&cursor=${next}`;
    const page: Listing = await list(world, `/v1/nodes/n2/history?limit=1${cursor}`);
    paged.push(...page.items);
    next = page.next;
  }
  assert.equal(paged, whole.items);
  assert.ok(whole.items.length >= 3);
  assert.is((await world.get("/v1/nodes/n9/history")).status, 404);
});

it("forgets a node only after it was decommissioned, or by force", async () => {
  const world = new ApiWorld();
  commission(world.inventory, "j1", "n2");
  const refused = await world.send({ method: "DELETE", url: "/v1/nodes/n2" });
  assert.is(refused.status, 409);
  assert.is(refused.json["code"], "ILLEGAL_MOVE");
  const forced = await world.send({ method: "DELETE", url: "/v1/nodes/n2?force=true" });
  assert.is(forced.status, 204);
  assert.is(forced.text, "");
  assert.is((await world.send({ method: "DELETE", url: "/v1/nodes/n2" })).status, 404);
});

it("creates a job with every target in it, and answers 202", async () => {
  const world = new ApiWorld();
  const answer = await world.send(
    body("POST", "/v1/jobs", { action: "cleanup", nodes: ["n1", "n2"], reason: "tidy up" }),
  );
  assert.is(answer.status, 202, answer.text);
  const job = answer.json;
  assert.equal(Object.keys(job).sort(), [
    "action",
    "blockedBy",
    "createdAt",
    "createdBy",
    "endedAt",
    "id",
    "nodes",
    "reason",
    "revision",
    "startedAt",
    "status",
    "strategy",
    "targets",
    "version",
    "waves",
  ]);
  assert.is(job["createdBy"], "operator");
  assert.is(job["reason"], "tidy up");
  assert.equal(job["strategy"], {
    batch: "100%",
    canary: null,
    maxFailures: 0,
    onFailure: "continue",
  });
  assert.equal(Object.keys(job["nodes"] as object), ["n1", "n2"]);
  assert.equal((job["nodes"] as Record<string, Json>)["n1"], {
    status: "pending",
    step: null,
    exitCode: null,
    startedAt: null,
    endedAt: null,
    message: "",
  });
  assert.is(answer.headers["etag"], `"${String(job["version"])}"`);
});

it("answers 422 with one entry per bad node, and changes nothing", async () => {
  const world = new ApiWorld();
  const before = world.inventory.view.appliedIndex;
  const answer = await world.send(
    body("POST", "/v1/jobs", { action: "upgrade", nodes: ["n1", "ghost", "n2"] }),
  );
  assert.is(answer.status, 422);
  const bad = (answer.json["problems"] as { node: string }[]).map(({ node }) => node);
  assert.equal([...new Set(bad)].sort(), ["ghost", "n1", "n2"]);
  assert.is(world.inventory.view.appliedIndex, before);
  assert.equal(world.submitted, []);
});

it("never takes nothing to mean everything", async () => {
  const world = new ApiWorld();
  for (const request of [
    { action: "cleanup" },
    { action: "cleanup", nodes: [] },
    { action: "cleanup", selector: "" },
    { action: "cleanup", selector: "rack=none" },
    { action: "cleanup", all: false },
    { action: "cleanup", all: true, nodes: ["n1"] },
  ]) {
    const { status } = await world.send(body("POST", "/v1/jobs", request));
    assert.ok(status === 400 || status === 422, `${JSON.stringify(request)}: ${status}`);
  }
  assert.equal(world.submitted, []);
});

it("plans without changing anything", async () => {
  const world = new ApiWorld();
  const before = world.inventory.view.appliedIndex;
  const answer = await world.send(
    body("POST", "/v1/jobs", {
      action: "cleanup",
      all: true,
      dryRun: true,
      strategy: { batch: 2 },
    }),
  );
  assert.is(answer.status, 200, answer.text);
  assert.is(answer.json["dryRun"], true);
  assert.equal(answer.json["waves"], [["n1", "n2"], ["n3"]]);
  assert.is(world.inventory.view.appliedIndex, before);
});

it("finds jobs by id, unique prefix, active and last", async () => {
  const world = new ApiWorld();
  assert.is((await world.get("/v1/jobs/last")).status, 404);
  assert.is((await world.get("/v1/jobs/active")).status, 404);
  world.inventory.ok(jobCreate("abc1", "cleanup", ["n1"]));
  world.inventory.ok(jobCreate("abc2", "cleanup", ["n2"]));
  world.inventory.ok(jobCreate("b1", "cleanup", ["n2"]));
  const idOf = async (text: string) => (await world.get(`/v1/jobs/${text}`)).json["id"];
  assert.is(await idOf("abc2"), "abc2");
  assert.is(await idOf("last"), "b1");
  const ambiguous = await world.get("/v1/jobs/abc");
  assert.is(ambiguous.status, 409);
  assert.is(ambiguous.json["code"], "AMBIGUOUS");
  assert.match(String(ambiguous.json["detail"]), /abc1.*abc2/);
  assert.is((await world.get("/v1/jobs/active")).status, 409);
  assert.is((await world.get("/v1/jobs/zzz")).status, 404);
  const queued = await world.get("/v1/jobs/b1");
  assert.is(queued.json["status"], "queued");
  assert.equal(queued.json["blockedBy"], ["abc2"]);
  const ids = (await list(world, "/v1/jobs")).items.map(({ id }) => id);
  assert.equal(ids, ["b1", "abc2", "abc1"]);
  const filtered = await list(world, "/v1/jobs?node=n2&status=queued");
  assert.equal(
    filtered.items.map(({ id }) => id),
    ["b1"],
  );
});

it("steers a job and refuses what its status does not allow", async () => {
  const world = new ApiWorld();
  world.inventory.ok(jobCreate("j1", "cleanup", ["n1"]));
  const post = (verb: string) => world.send({ method: "POST", url: `/v1/jobs/last/${verb}` });
  assert.is((await post("pause")).json["status"], "paused");
  assert.is((await post("resume")).json["status"], "running");
  assert.is((await post("retry")).status, 409);
  assert.is((await post("cancel")).status, 200);
  const unexpected = body("POST", "/v1/jobs/j1/cancel", { now: true });
  assert.is((await world.send(unexpected)).status, 400);
});

it("reads and patches global vars by key, atomically", async () => {
  const world = new ApiWorld();
  await world.send(body("PATCH", "/v1/vars", { a: 1, b: { c: true } }));
  const answer = await world.send(body("PATCH", "/v1/vars", { a: null, d: "x" }));
  assert.equal(answer.json["vars"], { b: { c: true }, d: "x" });
  assert.equal(Object.keys(answer.json["versions"] as object), ["b", "d"]);
  const bad = await world.send(body("PATCH", "/v1/vars", { b: null, "bad key": 1 }));
  assert.is(bad.status, 422);
  assert.equal((await world.get("/v1/vars")).json["vars"], { b: { c: true }, d: "x" });
  assert.is((await world.send({ method: "DELETE", url: "/v1/vars/d" })).status, 204);
  assert.is((await world.get("/v1/vars/d")).status, 404);
  assert.is((await world.send({ method: "DELETE", url: "/v1/vars/d" })).status, 404);
});

it("shows a role as defined, as set, and with its members", async () => {
  const world = new ApiWorld();
  world.inventory.ok({ type: "node.patch", node: "n2", roles: ["web"] });
  const put = await world.send(body("PUT", "/v1/roles/web", { vars: { port: 80 } }));
  assert.is(put.status, 200);
  assert.equal(put.json["vars"], { port: 80 });
  assert.equal(put.json["members"], ["n2"]);
  assert.equal(put.json["definition"], {
    runner: "script",
    requires: ["base"],
    actions: { configure: { path: "web/configure", timeout: "1m" } },
    secrets: ["db_password"],
  });
  const names = namesOf(await list(world, "/v1/roles"));
  assert.equal(names, ["base", "web"]);
  assert.is((await world.send({ method: "DELETE", url: "/v1/roles/web" })).status, 204);
  assert.equal((await world.get("/v1/roles/web")).json["vars"], {});
  assert.is((await world.get("/v1/roles/none")).status, 404);
});

it("sets the source and waits for a refresh until the leader fetched", async () => {
  const world = new ApiWorld();
  const put = await world.send(
    body("PUT", "/v1/config/source", { url: "file:///other", ref: "main" }),
  );
  assert.is(put.status, 200);
  assert.equal(put.json["source"], { url: "file:///other", ref: "main" });
  assert.is(put.json["refreshing"], true);
  const refresh = world.send({ method: "POST", url: "/v1/config/refresh" });
  while (world.submitted.at(-1)?.command.type !== "config.refresh") await Promise.resolve();
  await Promise.resolve();
  setRevision(world.inventory, "beef01");
  const answer = await refresh;
  assert.is(answer.status, 200);
  assert.is((answer.json["revision"] as { commit: string }).commit, "beef01");
  assert.equal(answer.json["roles"], ["base", "web"]);
  assert.is(answer.json["refreshing"], false);
});

it("explains what a node and a job wait for", async () => {
  const world = new ApiWorld();
  world.inventory.ok(jobCreate("j1", "cleanup", ["n1", "n2"]));
  world.inventory.ok(jobCreate("j2", "cleanup", ["n2"]));
  world.inventory.ok({
    type: "node.reachability",
    changes: [{ id: peer("n3"), reachability: "unreachable" }],
  });
  const job = await world.get("/v1/why/job/j2");
  assert.match(String(job.json["summary"]), /j2.*queued.*j1.*"n2"/);
  const held = await world.get("/v1/why/node/n2");
  assert.equal(
    (held.json["reasons"] as { code: string }[]).map(({ code }) => code),
    ["HELD", "QUEUED"],
  );
  assert.match(String((await world.get("/v1/why/node/n3")).json["summary"]), /does not answer/);
  assert.is((await world.get("/v1/why/node/n9")).status, 404);
  assert.is((await world.get("/v1/why/job/n9")).status, 404);
});

it("hands leadership to a voter, and to nobody else", async () => {
  const world = new ApiWorld({ inventory: cluster("n1", "n2", "n3", "n4") });
  const transfer = (payload: object) => world.send(body("POST", "/v1/operator/transfer", payload));
  assert.is((await transfer({ to: "n3" })).status, 200);
  assert.is((await world.send({ method: "POST", url: "/v1/operator/transfer" })).status, 200);
  assert.is((await transfer({ to: "n2" })).status, 200);
  assert.equal(world.transferred, [peer("n3"), null]);
  assert.is((await transfer({ to: "n4" })).status, 409);
  assert.is((await transfer({ to: "n9" })).status, 404);
  const raft = (await world.get("/v1/operator/raft")).json;
  assert.is(raft["term"], 7);
  assert.is(raft["stateHash"], null, "it costs CPU: only when asked for");
  assert.equal(raft["leader"], { id: peer("n2"), name: "n2" });
  const { names } = raft["configuration"] as { names: Record<string, string> };
  assert.equal(names, { [peer("n1")]: "n1", [peer("n2")]: "n2", [peer("n3")]: "n3" });
});

it("shows no secret anywhere, and does not write its mask over it", async () => {
  const secret = "hunter2-very-secret";
  const world = new ApiWorld();
  const { inventory } = world;
  inventory.ok({ type: "var.put", key: "db_password", value: secret });
  inventory.ok({ type: "node.patch", node: "n2", vars: { db_password: secret, open: 1 } });
  inventory.ok({ type: "role.put", role: "web", vars: { db_password: secret } });
  inventory.ok({ ...jobCreate("j0", "cleanup", ["n3"]), vars: { db_password: secret } });
  commission(inventory, "j1", "n2");
  const source = { url: `https://deploy:${secret}@git.example/repo.git`, ref: null };
  inventory.ok({ type: "config.source", source });
  inventory.ok({
    type: "config.fetched",
    request: inventory.view.config().refreshRequested,
    source,
    result: { ok: false, code: "SOURCE_UNREACHABLE", message: `cannot clone ${source.url}: no` },
  });
  for (const url of [
    "/v1/vars",
    "/v1/vars/db_password",
    "/v1/nodes",
    "/v1/nodes/n2",
    "/v1/nodes/n2/ledger",
    "/v1/roles",
    "/v1/roles/web",
    "/v1/jobs",
    "/v1/jobs/j0",
    "/v1/config",
    "/v1/events",
    "/v1/why/node/n2",
    "/v1/why/job/j0",
  ]) {
    const answer = await world.get(url);
    assert.is(answer.status, 200, url);
    assert.not.match(answer.text, new RegExp(secret), url);
  }
  assert.is((await world.get("/v1/vars/db_password")).json["value"], "***");
  assert.equal((await world.get("/v1/nodes/n2")).json["vars"], { db_password: "***", open: 1 });
  const config = (await world.get("/v1/config")).json["source"] as { url: string };
  assert.is(config.url, "https://deploy:***@git.example/repo.git");
  for (const write of [
    body("PUT", "/v1/vars/db_password", { value: "***" }),
    body("PATCH", "/v1/vars", { db_password: "***" }),
    body("PATCH", "/v1/nodes/n2", { vars: { db_password: "***" } }),
    body("PUT", "/v1/roles/base", { vars: { db_password: "***" } }),
    body("PUT", "/v1/config/source", { url: config.url }),
  ]) {
    assert.is((await world.send(write)).status, 422, write.url);
  }
  assert.is(inventory.view.variable("db_password")?.value, secret);
  const kept = { vars: { db_password: "***", size: 2 } };
  assert.is((await world.send(body("PUT", "/v1/roles/web", kept))).status, 200);
  assert.equal(inventory.view.role("web")?.vars, { db_password: secret, size: 2 });
  const plain = await world.send(body("PUT", "/v1/vars/other", { value: "***" }));
  assert.is(plain.status, 200);
});

it("keeps masking a var that only an older revision called secret", async () => {
  const world = new ApiWorld();
  world.inventory.ok({ type: "var.put", key: "db_password", value: "hunter2" });
  const { web, base } = manifest.roles;
  assert.ok(web && base);
  setRevision(world.inventory, "newer", {
    ...manifest,
    roles: { base, web: { ...web, secrets: [] } },
  });
  assert.is((await world.get("/v1/vars/db_password")).json["value"], "***");
});

it("hashes the whole state when asked to: equal states are equal, a change changes it", async () => {
  const hashOf = async (world: ApiWorld): Promise<unknown> =>
    (await world.get("/v1/operator/raft?stateHash=true")).json["stateHash"];
  const put = { type: "var.put", key: "a", value: 1 } as const;
  const [one, other] = [new ApiWorld(), new ApiWorld()];
  for (const world of [one, other]) world.inventory.send(put);
  assert.equal(await hashOf(one), await hashOf(other));
  const before = await hashOf(one);
  one.inventory.send({ ...put, value: 2 });
  assert.not.equal(await hashOf(one), before);
});

it.run();
