/** Conflicts, generations and recovery as the API shows them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError } from "../../../src/base/errors.ts";
import { type LineagePort } from "../../../src/api/context.ts";
import { type ConflictAnswer } from "../../../src/api/contract/lineage.ts";
import { type Generation, type SurvivorPlan } from "../../../src/consensus/lineage/types.ts";
import { writtenIn } from "../../../src/consensus/lineage/written-in.ts";
import { ApiWorld } from "../../support/api-world.ts";
import { memberView } from "../../support/member-view.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { loserGeneration, mergeInto, split } from "../../support/merge.ts";

const it = suite("api conflicts");

/** Conflicts about the vars a, b and the secret db_password, and one role. */
async function merged(): Promise<ApiWorld> {
  const both = await split(cluster("n1", "n2", "n3"));
  for (const [inventory, value] of [
    [both.winner, "here"],
    [both.loser, "there"],
  ] as const) {
    for (const key of ["a", "b", "db_password"]) inventory.ok({ type: "var.put", key, value });
    inventory.ok({ type: "role.put", role: "web", vars: { db_password: value, port: value } });
  }
  mergeInto(both);
  return new ApiWorld({ inventory: both.winner });
}

interface Page {
  readonly items: readonly ConflictAnswer[];
  readonly next: string | null;
}

async function list(world: ApiWorld, query = ""): Promise<Page> {
  const answer = await world.get(`/v1/operator/conflicts${query}`);
  assert.is(answer.status, 200, answer.text);
  return answer.json as unknown as Page;
}

const post = (world: ApiWorld, url: string, body?: object) =>
  world.send({
    method: "POST",
    url,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, payload: JSON.stringify(body) }),
  });

async function idOf(world: ApiWorld, key: string): Promise<string> {
  const found = (await list(world)).items.find((one) => one.key === key);
  assert.ok(found, key);
  return found.id;
}

it("lists conflicts in pages, by generation and state, with secrets masked", async () => {
  const world = await merged();
  const first = await list(world, "?limit=3");
  const second = await list(world, `?limit=3&cursor=${first.next ?? ""}`);
  const all = [...first.items, ...second.items];
  assert.equal(
    all.map(({ key, state }) => [key, state]),
    ["role/web", "var/a", "var/b", "var/db_password"].map((key) => [key, "pending"]),
  );
  const [role, a, , secret] = all;
  assert.equal(a?.otherSide, { key: "a", value: "there" });
  assert.equal(a?.inForce, { key: "a", value: "here" });
  assert.is(a?.changedSince, false);
  assert.equal(secret?.otherSide, { key: "db_password", value: "***" });
  assert.equal(role?.otherSide, { name: "web", vars: { db_password: "***", port: "there" } });
  assert.not.match(JSON.stringify(secret), /here/);
  assert.is((await list(world, "?state=applied")).items.length, 0);
  assert.is((await list(world, "?generation=ab")).items.length, 4);
  assert.is((await list(world, "?generation=cd")).items.length, 0);
  assert.is((await world.get("/v1/operator/conflicts?state=odd")).status, 400);
});

it("applies and discards, once, and not over what was written since", async () => {
  const world = await merged();
  const a = await idOf(world, "var/a");
  const applied = await post(world, `/v1/operator/conflicts/${a.slice(0, 6)}/apply`);
  assert.is(applied.status, 200, applied.text);
  assert.is(applied.json["state"], "applied");
  assert.is(world.inventory.view.variable("a")?.value, "there");
  assert.is(
    (await post(world, `/v1/operator/conflicts/${a}/discard`)).json["code"],
    "ILLEGAL_MOVE",
  );

  const b = await idOf(world, "var/b");
  world.inventory.ok({ type: "var.put", key: "b", value: "newer" });
  assert.is((await world.get(`/v1/operator/conflicts/${b}`)).json["changedSince"], true);
  const refused = await post(world, `/v1/operator/conflicts/${b}/apply`);
  assert.is(refused.status, 409);
  assert.is(refused.json["code"], "CONFLICT");
  assert.match(String(refused.json["detail"]), /changed since the merge/);
  assert.is((await post(world, `/v1/operator/conflicts/${b}/discard`)).json["state"], "discarded");
  assert.is(world.inventory.view.variable("b")?.value, "newer");
  assert.is((await post(world, "/v1/operator/conflicts/none/apply")).status, 404);
});

const bootstrap: Generation = {
  ...{ n: 1, id: "11".repeat(16), parent: null, kind: "bootstrap", forkIndex: 0, forkTerm: 0 },
  ...{ forkChain: "", legitCommit: 0, members: [], coordinator: peer("n1"), lost: [] },
  ...{ outlived: true, missingAtMost: 0, at: 1_700_000_000_000 },
};
const forced: Generation = {
  ...bootstrap,
  ...{ n: 2, id: "22".repeat(16), parent: bootstrap.id, kind: "forced-operator", forkIndex: 7 },
  ...{ members: [peer("n1")], lost: [peer("n2")], missingAtMost: 3 },
};
const plan: SurvivorPlan = {
  ...{ act: false, why: "waits", kind: "forced-operator", survivors: [peer("n1")], waitMs: 9 },
  ...{ parent: { n: 1, id: bootstrap.id }, best: peer("n1"), outlived: true, missingAtMost: 3 },
  ...{ majorityOfAll: false, hash: "ab".repeat(32), finish: null, exits: [], wantsProof: false },
  abstaining: [],
  lost: [
    { id: peer("n2"), silentMs: 12.4, proof: null },
    { id: peer("gone"), silentMs: null, proof: "fence" },
  ],
};

class Lineage implements LineagePort {
  readonly confirmed: string[] = [];
  generations(): readonly Generation[] {
    return this.confirmed.length === 0 ? [bootstrap] : [bootstrap, forced];
  }
  writtenIn(index: number): string {
    return writtenIn(this.generations(), index);
  }
  isProvisional(): boolean {
    return this.confirmed.length > 0;
  }
  leftBehind() {
    return this.isProvisional() ? [peer("n2")] : [];
  }
  outlook(): null {
    return null;
  }
  plan(): Promise<SurvivorPlan> {
    return Promise.resolve(plan);
  }
  recover(hash: string): Promise<Generation> {
    if (hash !== plan.hash) {
      const details = { hash: plan.hash };
      return Promise.reject(new AgentError("PLAN_CHANGED", "Ask for the plan again", details));
    }
    this.confirmed.push(hash);
    return Promise.resolve(forced);
  }
}

it("plans a recovery, and carries out only the plan that was shown", async () => {
  const world = new ApiWorld();
  const url = "/v1/operator/recover";
  assert.is((await post(world, url, { plan: true })).json["code"], "NO_CLUSTER");
  const lineage = new Lineage();
  world.lineage = lineage;
  const shown = await post(world, url, { plan: true });
  assert.is(shown.status, 200, shown.text);
  const answer = shown.json["plan"] as { hash: string; lost: readonly object[]; best: object };
  assert.equal(answer.best, { id: peer("n1"), name: "n1" });
  assert.equal(answer.lost, [
    { id: peer("n2"), name: "n2", silentMs: 12, proof: null },
    { id: peer("gone"), name: null, silentMs: null, proof: "fence" },
  ]);
  const stale = await post(world, url, { confirm: "cd".repeat(32) });
  assert.is(stale.status, 409);
  assert.is(stale.json["code"], "PLAN_CHANGED");
  assert.is((await post(world, url, {})).status, 400);
  assert.is((await post(world, url, { plan: true, confirm: plan.hash })).status, 400);
  assert.equal(lineage.confirmed, []);
  const done = await post(world, url, { confirm: answer.hash });
  assert.is(done.status, 200, done.text);
  assert.is((done.json["generation"] as { n: number }).n, 2);
});

it("shows generations and merges to operators, and what waits in the status", async () => {
  const world = await merged();
  const lineage = new Lineage();
  lineage.confirmed.push(plan.hash);
  world.lineage = lineage;
  const { json: status } = await world.get("/v1/status");
  const { provisional, conflicts, generationId } = status["cluster"] as Record<string, unknown>;
  assert.equal([provisional, conflicts, generationId], [true, 4, forced.id]);
  const missing = async (): Promise<unknown> =>
    ((await world.get("/v1/status")).json["cluster"] as Record<string, unknown>)["missing"];
  assert.equal(await missing(), [{ id: peer("n2"), name: "n2" }]);
  world.members = [memberView({ id: peer("n2"), name: "n2" })];
  assert.equal(await missing(), []);
  const raft = (await world.get("/v1/operator/raft")).json["lineage"] as {
    generations: readonly { n: number; lost: readonly { name: string }[] }[];
    merges: readonly { generation: string; pending: number; doneAt: string | null }[];
  };
  assert.equal(
    raft.generations.map(({ n }) => n),
    [1, 2],
  );
  assert.is(raft.generations[1]?.lost[0]?.name, "n2");
  assert.is(raft.merges[0]?.generation, loserGeneration.id);
  assert.is(raft.merges[0]?.pending, 4);
  assert.type(raft.merges[0]?.doneAt, "string");
});

it("streams thousands of merged events without losing its place", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  for (let i = 0; i < 1200; i += 1) both.loser.ok({ type: "var.put", key: "a", value: i });
  both.winner.ok({ type: "var.put", key: "z", value: 1 });
  const since = both.winner.machine.appliedIndex;
  mergeInto(both);
  both.winner.ok({ type: "var.put", key: "after", value: 1 });
  const world = new ApiWorld({ inventory: both.winner });
  const { text } = await world.get(`/v1/events?since=${since}`);
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { subject: string });
  assert.is(events.filter(({ subject }) => subject === "var/a").length, 1200);
  assert.is(events.at(-1)?.subject, "var/after");
});

it.run();
