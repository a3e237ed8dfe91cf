import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatDuration, parseDuration } from "../../../src/base/duration.ts";
import { newId } from "../../../src/base/ids.ts";
import { type Json, canonicalJson, equalJson, mergePatch } from "../../../src/base/json.ts";
import { seededRandom, shuffle } from "../../../src/base/random.ts";
import { type Service, startAll } from "../../../src/base/service.ts";
import { Background } from "../../../src/base/background.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { delay, systemClock } from "../../../src/base/clock.ts";

const it = suite("base");

it("reads durations as operators write them and refuses anything else", () => {
  assert.is(parseDuration("90s"), 90_000);
  assert.is(parseDuration("1h30m"), 5_400_000);
  assert.is(parseDuration("250ms"), 250);
  for (const bad of ["", "90", "s", "-1s", "1 h", "1w"]) assert.is(parseDuration(bad), null, bad);
});

it("writes a duration that it reads back", () => {
  for (const ms of [0, 1, 999, 1000, 61_001, 86_400_000, 90_061_001]) {
    assert.is(parseDuration(formatDuration(ms)), ms);
  }
});

it("calls values equal that have the same canonical JSON", () => {
  const texts = ["", "1", "null", "[1,2]", '{"a":1}'];
  const composed = ["[]", "{}", "[1,2]", "[2,1]", '{"a":1}', '{"a":1,"b":[2]}', '{"b":[2],"a":1}'];
  const values: readonly Json[] = [
    ...[null, true, false, 0, 1, ...texts],
    ...composed.map((text): Json => JSON.parse(text) as Json),
  ];
  for (const a of values) {
    for (const b of values) assert.is(equalJson(a, b), canonicalJson(a) === canonicalJson(b));
  }
  assert.ok(equalJson(0, -0));
});

it("makes ids that sort by time", () => {
  const ids = [5, 1_700_000_000_000, 1_800_000_000_000].map((ms) => newId(ms));
  assert.equal([...ids].sort(), ids);
  assert.is(new Set(Array.from({ length: 1000 }, () => newId(1))).size, 1000);
});

it("merges patches as RFC 7396 says", () => {
  const cases = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    ["foo", { a: null }, {}],
  ] as const;
  for (const [target, patch, expected] of cases) assert.equal(mergePatch(target, patch), expected);
});

it("gives equal canonical text for equal values whatever the order of keys", () => {
  assert.is(canonicalJson({ b: [1, { y: 1, x: 2 }], a: null }), '{"a":null,"b":[1,{"x":2,"y":1}]}');
});

it("repeats a random sequence from its seed", () => {
  const draw = (seed: number): number[] => Array.from({ length: 5 }, seededRandom(seed).float);
  assert.equal(draw(7), draw(7));
  assert.not.equal(draw(7), draw(8));
  const items = Array.from({ length: 50 }, (_, i) => i);
  assert.equal(
    shuffle([...items], seededRandom(1)).sort((a, b) => a - b),
    items,
  );
});

function service(name: string, log: string[], failure?: string): Service {
  return {
    name,
    start: async () => {
      if (failure === "start") throw new TypeError(`${name} cannot start`);
      log.push(`+${name}`);
    },
    stop: async () => {
      log.push(`-${name}`);
    },
  };
}

it("stops what was started, in reverse, when a later service fails to start", async () => {
  const log: string[] = [];
  const services = [service("a", log), service("b", log), service("c", log, "start")];
  let failure: unknown;
  await startAll(services, new AbortController().signal).catch((error: unknown) => {
    failure = error;
  });
  assert.match(String(failure), "c cannot start");
  assert.equal(log, ["+a", "+b", "-c", "-b", "-a"]);
});

it("waits for owned tasks at close and tells them to end", async () => {
  const background = new Background(silentLogger);
  let ended = false;
  background.run("sleeper", async (signal) => {
    await delay(systemClock, 60_000, signal).catch(() => undefined);
    ended = true;
  });
  await background.close();
  assert.ok(ended);
});

it.run();
