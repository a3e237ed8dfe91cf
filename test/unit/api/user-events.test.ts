/** Routes of user events: told with limits, kept in a ring, followed and resumed without a silent gap. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { heardMax } from "../../../src/gossip/driver/event-ring.ts";
import { gossipError } from "../../../src/gossip/errors.ts";
import { ApiWorld, type Answer } from "../../support/api-world.ts";
import { listener } from "../../support/api-listener.ts";
import { peer } from "../../support/inventory.ts";
import { until } from "../../support/until.ts";

const it = suite("api/user-events");
const url = "/v1/user-events";

type Line = Readonly<Record<string, unknown>>;

const tell = (world: ApiWorld, payload: object, headers = {}): Promise<Answer> =>
  world.send({ method: "POST", url, payload, headers });

async function heard(world: ApiWorld, since?: string): Promise<Line[]> {
  const { status, text } = await world.get(since === undefined ? url : `${url}?since=${since}`);
  assert.is(status, 200, text);
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

it("tells an event, and gives it to whoever asks", async () => {
  const world = new ApiWorld();
  const told = await tell(world, { name: "deploy", payload: "web é" });
  assert.is(told.status, 202);
  const { id, time, ...rest } = told.json;
  assert.equal(rest, {
    ...{ name: "deploy", payload: "web é", node: "n1", origin: peer("n1"), ltime: 1 },
  });
  assert.match(String(time), /^\d{4}-.*Z$/);
  assert.equal(await heard(world), [told.json]);
  assert.is((await tell(world, { name: "reload" })).json["payload"], "");
  assert.equal(
    (await heard(world, String(id))).map(({ name }) => name),
    ["reload"],
  );
  assert.equal(await heard(world, "0s"), []);
  assert.is((await heard(world, "1h")).length, 2);
});

it("refuses what gossip cannot carry, with what is wrong and how much fits", async () => {
  const world = new ApiWorld();
  const codeOf = async (body: object, headers = {}): Promise<unknown> => {
    const { status, json } = await tell(world, body, headers);
    return [status, json["code"]];
  };
  assert.equal(await codeOf({}), [400, "INVALID_REQUEST"]);
  assert.equal(await codeOf({ name: "" }), [400, "INVALID_REQUEST"]);
  assert.equal(await codeOf({ name: "x".repeat(65) }), [400, "INVALID_REQUEST"]);
  assert.equal(await codeOf({ name: "é".repeat(33) }), [400, "INVALID_REQUEST"]);
  assert.equal(await codeOf({ name: "a\nb" }), [400, "INVALID_REQUEST"]);
  assert.equal(await codeOf({ name: "a", when: 1 }), [400, "UNKNOWN_FIELD"]);
  assert.equal(await codeOf({ name: "a", payload: "é".repeat(255) }), [202, undefined]);
  const large = await tell(world, { name: "a", payload: "é".repeat(256) });
  assert.is(large.status, 413);
  assert.match(String(large.json["detail"]), /513 bytes, at most 512/);
  assert.equal(await codeOf({ name: "a" }, { "idempotency-key": "k" }), [400, "INVALID_REQUEST"]);
  world.tellFails = gossipError("GOSSIP_EVENT_REFUSED", "too many at once; try again");
  const many = await tell(world, { name: "a" });
  assert.equal([many.status, many.headers["retry-after"]], [429, "1"]);
  world.tellFails = gossipError("GOSSIP_NOT_RUNNING", "does not gossip now");
  assert.equal(await codeOf({ name: "a" }), [503, "STOPPED"]);
  world.joined = false;
  assert.equal(await codeOf({ name: "a" }), [503, "NO_CLUSTER"]);
  assert.is((await world.get(url)).status, 503);
});

it("lets readers listen, and only admins tell", async () => {
  const world = new ApiWorld({ proof: "token" });
  world.tokens.set("r", { actor: "token:r", role: "reader" });
  const headers = { authorization: "Bearer r" };
  assert.is((await tell(world, { name: "a" })).status, 401);
  assert.is((await tell(world, { name: "a" }, headers)).status, 403);
  assert.is((await world.get(url, headers)).status, 200);
});

it("says that events are gone, and reads those of another life from the start", async () => {
  const world = new ApiWorld();
  const first = String((await tell(world, { name: "e" })).json["id"]);
  for (let n = 0; n < heardMax; n += 1) await world.userEvents.tell("e", new Uint8Array(0));
  assert.is((await heard(world, first)).length, heardMax);
  await world.userEvents.tell("e", new Uint8Array(0));
  const late = await world.get(`${url}?since=${first}`);
  assert.equal([late.status, late.json["code"]], [422, "EVENTS_TRIMMED"]);
  assert.match(String(late.json["detail"]), /last 512/);
  assert.is((await heard(world, `${"0".repeat(18)}.1`)).length, heardMax);
  assert.is((await world.get(`${url}?since=yesterday`)).status, 400);
});

it("follows what other agents tell, and shows their bytes as text", async () => {
  await using api = await listener();
  const { world, client } = api;
  const stop = new AbortController();
  const seen: Line[] = [];
  const reading = (async () => {
    const stream = client.stream("getUserEvents", { query: { follow: true } }, stop);
    for await (const event of stream) {
      seen.push(event);
      if (seen.length === 2) return;
    }
  })();
  const arrive = (payload: Uint8Array, origin: string): void =>
    world.hear({ name: "e", payload, origin: peer(origin), ltime: 4 });
  arrive(Uint8Array.of(0x61, 0xff), "n2");
  await until({ what: "the first is seen" }, () => Promise.resolve(seen.length === 1));
  arrive(new Uint8Array(0), "gone");
  await reading;
  assert.equal(
    seen.map(({ payload, node, ltime }) => [payload, node, ltime]),
    [
      ["a\ufffd", "n2", 4],
      ["", peer("gone"), 4],
    ],
  );
});

it.run();
