/** Pulls and their answers: what is sent arrives, and whatever else arrives is refused without a throw. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  encodeAnswer,
  maxHops,
  maxPullBytes,
  maxWaitMs,
  parseAnswer,
  parseRequest,
  type PullAnswer,
} from "../../../../src/consensus/driver/relay-wire.ts";
import { entriesOf } from "../../../support/core-bench.ts";

const it = suite("consensus: relay wire");

const hex = "0123456789abcdef".repeat(2);
const standing = { leader: "a", path: ["b", "c"] };
const request = { generation: hex, from: 5, chain: hex, maxBytes: 100, waitMs: 10, seen: standing };
const full: PullAnswer = {
  ...{ kind: "entries", chain: hex, applied: 9, leaderAgeMs: 3, ...standing },
  entries: entriesOf([1, 1, 2], 5),
};

it("carries every answer", () => {
  const answers: readonly PullAnswer[] = [
    full,
    { ...full, entries: [], leader: null, path: null },
    { kind: "snapshot", index: 7, leaderAgeMs: 0, ...standing },
    { kind: "mismatch", chain: hex },
    { kind: "foreign", generation: hex },
    { kind: "busy" },
  ];
  for (const answer of answers) {
    const parsed = parseAnswer(encodeAnswer(answer), 5);
    if (answer.kind !== "entries" || parsed?.kind !== "entries") assert.equal(parsed, answer);
    else {
      const plain = ({ entries }: typeof answer): unknown =>
        entries.map(({ data, ...entry }) => ({ ...entry, data: [...data] }));
      assert.equal(plain(parsed), plain(answer));
      assert.equal({ ...parsed, entries: [] }, { ...answer, entries: [] });
    }
  }
});

it("bounds what may be asked", () => {
  assert.equal(parseRequest(request), request);
  const greedy = parseRequest({ ...request, maxBytes: 2 ** 40, waitMs: 2 ** 40 });
  assert.equal([greedy?.maxBytes, greedy?.waitMs], [maxPullBytes, maxWaitMs]);
});

it("refuses what is malformed", () => {
  const path = Array.from({ length: maxHops + 1 }, () => "x");
  const requests = [
    { ...request, from: 0 },
    { ...request, from: 1.5 },
    { ...request, generation: "x" },
    { ...request, chain: hex.toUpperCase() },
    { ...request, waitMs: -1 },
    { ...request, seen: null },
    { ...request, seen: { leader: "a", path } },
    { ...request, seen: { leader: 1, path: null } },
  ];
  for (const bad of requests) assert.is(parseRequest(bad), null, JSON.stringify(bad));
  const good = encodeAnswer(full) as Readonly<Record<string, unknown>>;
  const answers = [
    { ...good, count: 2 },
    { ...good, count: 2 ** 31 },
    { ...good, body: "text" },
    { ...good, body: new Uint8Array(5) },
    { ...good, path },
    { ...good, kind: "else" },
    { ...good, applied: null },
    { ...good, leaderAgeMs: -1 },
  ];
  for (const bad of answers) assert.is(parseAnswer(bad, 5), null, JSON.stringify(bad));
});

it("throws on nothing at all", () => {
  const property = fc.property(fc.anything(), fc.nat(), (value, from) => {
    parseRequest(value);
    parseAnswer(value, from);
    parseRequest({ ...request, ...(Object(value) as object) });
    parseAnswer({ ...(encodeAnswer(full) as object), ...(Object(value) as object) }, from);
  });
  fc.assert(property, { numRuns: 500 });
});

it.run();
