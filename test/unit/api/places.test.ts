/**
 * What a caller got from one side of a split says nothing on the other: ETags, places in the stream of events, and
 * remembered answers, also where both sides used the same index for different writes.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LineagePort } from "../../../src/api/context.ts";
import { parsePlace } from "../../../src/api/places.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { writtenIn } from "../../../src/consensus/lineage/written-in.ts";
import { type Answer, ApiWorld } from "../../support/api-world.ts";
import { cluster } from "../../support/inventory.ts";
import { loserGeneration, mergeInto, type Split, split } from "../../support/merge.ts";

const it = suite("api places");
const root = bootstrapGeneration("cluster-1");
const json = { "content-type": "application/json" };

function lineageOf(path: readonly Generation[]): LineagePort {
  return {
    generations: () => path,
    writtenIn: (index) => writtenIn(path, index),
    leftBehind: () => [],
    isProvisional: () => false,
    outlook: () => null,
    plan: () => Promise.reject(new Error("not asked for")),
    recover: () => Promise.reject(new Error("not asked for")),
  };
}

interface Sides {
  readonly both: Split;
  readonly winner: ApiWorld;
  readonly loser: ApiWorld;
  readonly forced: Generation;
}

/** Both know the var `shared`; the side that loses went on in a forced generation. */
async function sides(): Promise<Sides> {
  const original = cluster("n1", "n2", "n3");
  original.ok({ type: "var.put", key: "shared", value: "old" });
  const both = await split(original);
  const { n, id } = loserGeneration;
  const at = { forkIndex: both.fork, legitCommit: both.fork, kind: "forced-auto" } as const;
  const forced = { ...root, n, id, parent: root.id, ...at };
  const [winner, loser] = [both.winner, both.loser].map((inventory) => new ApiWorld({ inventory }));
  assert.ok(winner !== undefined && loser !== undefined);
  winner.lineage = lineageOf([root]);
  loser.lineage = lineageOf([root, forced]);
  return { both, winner, loser, forced };
}

function put(
  world: ApiWorld,
  key: string,
  value: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const payload = JSON.stringify({ value });
  return world.send({
    method: "PUT",
    url: `/v1/vars/${key}`,
    headers: { ...json, ...headers },
    payload,
  });
}

const codeOf = ({ status, json: { code } }: Answer): string => `${status} ${String(code)}`;

it("compares no version of the side that lost with one of the winner, though the numbers agree", async () => {
  const { both, winner, loser, forced } = await sides();
  const there = await put(loser, "a", "there");
  const here = await put(winner, "a", "here");
  assert.is(there.json["version"], here.json["version"], "one index, two writes");
  assert.is(here.headers.etag, `"${String(here.json["version"])}"`);
  assert.is(there.headers.etag, `"${String(there.json["version"])}@${forced.id}"`);
  assert.is((await loser.get("/v1/vars/a")).headers.etag, there.headers.etag);

  const condition = { "if-match": String(there.headers.etag) };
  const before = await put(winner, "a", "lost update", condition);
  assert.is(codeOf(before), "409 GENERATION_SUPERSEDED");
  const details = { generation: forced.id, report: null, resumeAt: null };
  assert.equal(before.json["details"], details, "nothing was merged yet");
  mergeInto(both);
  const after = await put(winner, "a", "lost update", condition);
  assert.is(codeOf(after), "409 GENERATION_SUPERSEDED");
  const known = { ...details, report: forced.id, resumeAt: String(both.fork) };
  assert.equal(after.json["details"], known);
  assert.match(String(after.json["detail"]), /conflicts list --generation abab/);
  assert.match(String(before.json["detail"]), /nothing was written: read the record again/);
  assert.is(winner.inventory.view.variable("a")?.value, "here");

  // Nor the other way round, should the forced side have won.
  const plain = { "if-match": String(here.headers.etag) };
  const back = await put(loser, "a", "lost update", plain);
  assert.is(codeOf(back), "409 GENERATION_SUPERSEDED");
  assert.is((back.json["details"] as { resumeAt: string }).resumeAt, String(both.fork));
  assert.is(loser.inventory.view.variable("a")?.value, "there");
});

it("goes on with an ETag from before the fork while the record is the same, on either side", async () => {
  const { winner, loser } = await sides();
  const { etag } = (await winner.get("/v1/vars/shared")).headers;
  assert.is((await loser.get("/v1/vars/shared")).headers.etag, etag);
  const condition = { "if-match": String(etag) };
  assert.is((await put(loser, "shared", "there", condition)).status, 200);
  assert.is((await put(winner, "shared", "here", condition)).status, 200);
  assert.is(codeOf(await put(winner, "shared", "again", condition)), "412 VERSION_MISMATCH");
  assert.is((await put(loser, "made", "new", { "if-none-match": "*" })).status, 200);
});

it("checks conditions on settings, nodes, roles, tokens and jobs alike", async () => {
  const { winner, forced } = await sides();
  const condition = { "if-match": `"3@${forced.id}"`, ...json };
  const requests = [
    ["PATCH", "/v1/settings", { repair: "report" }],
    ["PATCH", "/v1/nodes/n1", { labels: { a: "b" } }],
    ["DELETE", "/v1/nodes/n1?force=true", undefined],
    ["PUT", "/v1/roles/web", { vars: {} }],
    ["DELETE", "/v1/roles/web", undefined],
    ["DELETE", "/v1/vars/shared", undefined],
    ["DELETE", "/v1/tokens/t", undefined],
    ["PUT", "/v1/config/source", { url: "https://example.org/x" }],
  ] as const;
  for (const [method, url, body] of requests) {
    const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
    const headers = body === undefined ? { "if-match": condition["if-match"] } : condition;
    const answer = await winner.send({ method, url, headers, ...payload });
    assert.is(codeOf(answer), "409 GENERATION_SUPERSEDED", `${method} ${url}`);
  }
  assert.equal(winner.submitted, []);
});

it("lets nobody resume a stream of events in a history that he did not follow", async () => {
  const { both, winner, loser, forced } = await sides();
  await put(loser, "a", "there");
  await put(winner, "b", "here");
  await put(winner, "c", "here");
  const lines = (text: string): { id: string; subject: string }[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { id: string; subject: string });
  const seen = lines((await loser.get("/v1/events")).text).at(-1);
  assert.is(seen?.id, `${loser.inventory.view.appliedIndex}.0@${forced.id}`);
  const own = await loser.get(`/v1/events?since=${seen?.id ?? ""}`);
  assert.is(own.status, 200, own.text);
  assert.is(own.text, "");
  mergeInto(both);
  for (const resumed of [
    winner.get(`/v1/events?since=${seen?.id ?? ""}`),
    winner.get("/v1/events", { "last-event-id": seen?.id ?? "" }),
  ]) {
    assert.is(codeOf(await resumed), "409 GENERATION_SUPERSEDED");
    assert.match(String((await resumed).json["detail"]), new RegExp(`since=${both.fork} goes on`));
  }
  const { resumeAt } = (await winner.get(`/v1/events?since=${seen?.id ?? ""}`)).json["details"] as {
    resumeAt: string;
  };
  const missed = lines((await winner.get(`/v1/events?since=${resumeAt}`)).text);
  assert.equal(
    missed.slice(0, 2).map(({ subject }) => subject),
    ["var/b", "var/c"],
  );
  assert.ok(
    missed.some(({ subject }) => subject === "var/a"),
    "what the other side had",
  );
  const before = lines((await loser.get("/v1/events")).text).find(
    ({ id }) => id === `${both.fork}.0`,
  );
  assert.ok(before, "places from before the fork stay as they were");
  assert.is((await winner.get(`/v1/events?since=${before.id}`)).status, 200);
});

it("ends a stream when the agent changes to another history under it", async () => {
  const { winner, loser } = await sides();
  await put(loser, "a", "there");
  const stream = loser.get("/v1/events?follow=true");
  await put(loser, "b", "there");
  loser.lineage = winner.lineage;
  await put(loser, "c", "of the other history");
  const answer = await stream.catch((error: unknown) => String(error));
  const text = typeof answer === "string" ? answer : answer.text;
  assert.not.match(text, /var\/c/);
});

it("tells no version of a write whose answer came with a merge", async () => {
  const { both, winner, loser } = await sides();
  const key = { "idempotency-key": "k" };
  const there = await put(loser, "a", "there", key);
  assert.ok(Number(there.json["version"]) > 0);
  await put(winner, "b", "here");
  mergeInto(both);
  const again = await put(winner, "a", "there", key);
  assert.is(again.status, 200, again.text);
  assert.is(again.json["version"], 0);
  assert.is(again.headers.etag, undefined);
  assert.is(winner.inventory.view.variable("a")?.value, "there");
  const { etag } = (await winner.get("/v1/vars/a")).headers;
  assert.is((await put(winner, "a", "on", { "if-match": String(etag) })).status, 200);
});

it("reads places strictly", () => {
  assert.equal(parsePlace("17"), { index: 17, generation: null });
  assert.equal(parsePlace("17@ab"), { index: 17, generation: "ab" });
  assert.equal(parsePlace("17@~ab"), { index: 17, generation: "~ab" });
  for (const bad of [
    "",
    "x",
    "17@",
    "17@a b",
    "17@@",
    '17"',
    "1".repeat(16),
    `1@${"a".repeat(81)}`,
  ]) {
    assert.is(parsePlace(bad), null, bad);
  }
});

it.run();
