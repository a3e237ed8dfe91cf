import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emptyConfiguration } from "../../../../src/consensus/core/configuration.ts";
import {
  bootstrapLineage,
  currentGeneration,
  refOf,
} from "../../../../src/consensus/lineage/generation.ts";
import { judge, type LogFindings } from "../../../../src/consensus/storage/log-verdict.ts";

const it = suite("log verdict");

const hardState = { term: 3, vote: "a", commit: 5 };
const head = { op: 10, hardState, last: 20, chain: "c20", lineageOp: 4 };
const lineage = { op: 4, lineage: bootstrapLineage("c") };
const generation = refOf(currentGeneration(lineage.lineage));
const newer = { n: 2, id: "f".repeat(32) };
const watermark = {
  ...{ op: 10, confirmed: 9, term: 3, vote: "a", last: 20, lastTerm: 3, chain: "c20" },
  ...{ voters: ["a"], generation, lineageOp: 4 },
};
const anchor = { index: 0, term: 0, chain: "c0" };
const base = { first: 1, anchor, config: emptyConfiguration, snapshot: null };
const end = { last: 20, chain: "c20", fault: null };
const good: LogFindings = { head, base, lineage, watermark, ...end, hadLog: false };
const nothing = { head: null, base: null, lineage: null, last: 0, chain: "c0" };

const table: readonly (readonly [string, Partial<LogFindings>, string])[] = [
  ["a log and its watermark agree", {}, "ok"],
  ["nothing was ever written", { ...nothing, watermark: null }, "fresh"],
  ["the first start was interrupted", { ...nothing, base, watermark: null }, "fresh"],
  [
    "the first write was never confirmed",
    { ...nothing, watermark: { ...watermark, op: 1, confirmed: 0 } },
    "fresh",
  ],
  ["everything is gone but the watermark", nothing, "corrupt"],
  ["everything is gone that there was", { ...nothing, watermark: null, hadLog: true }, "corrupt"],
  ["a log is there that there was", { hadLog: true }, "ok"],
  ["a frame is damaged", { fault: "the frame behind entry 7 is damaged" }, "corrupt"],
  [
    "a frame is damaged in a log that has no head",
    { ...nothing, fault: "a frame is damaged" },
    "corrupt",
  ],
  ["the head is missing, but frames are there", { head: null }, "corrupt"],
  ["the base is missing", { base: null }, "corrupt"],
  ["the lineage is missing", { lineage: null }, "corrupt"],
  ["the lineage is an older one", { lineage: { ...lineage, op: 3 } }, "corrupt"],
  [
    "the watermark is of a newer generation than the log",
    { watermark: { ...watermark, generation: newer } },
    "corrupt",
  ],
  [
    "entering a generation was begun but did not reach the log",
    { watermark: { ...watermark, op: 11, confirmed: 10, generation: newer } },
    "torn-tail",
  ],
  [
    "a generation was entered for certain and is missing",
    { watermark: { ...watermark, op: 11, confirmed: 11, generation: newer } },
    "corrupt",
  ],
  ["frames end before the head says", { last: 19, chain: "c19" }, "corrupt"],
  ["frames end behind the head", { last: 21, chain: "c21" }, "corrupt"],
  ["frames end with another history", { chain: "other" }, "corrupt"],
  [
    "the last write was begun but did not reach the log",
    { watermark: { ...watermark, op: 11, confirmed: 10 } },
    "torn-tail",
  ],
  [
    "a confirmed write is missing",
    { watermark: { ...watermark, op: 11, confirmed: 11 } },
    "corrupt",
  ],
  [
    "two begun writes are missing of which one was confirmed",
    { watermark: { ...watermark, op: 12, confirmed: 11 } },
    "corrupt",
  ],
  [
    "the last write reached the log but not the watermark",
    { watermark: { ...watermark, op: 9, confirmed: 8 } },
    "ok",
  ],
  [
    "the watermark is two writes behind",
    { watermark: { ...watermark, op: 8, confirmed: 7 } },
    "corrupt",
  ],
  ["there is no watermark, though it was written before", { watermark: null }, "corrupt"],
  ["there is no watermark of the first write", { watermark: null, head: { ...head, op: 1 } }, "ok"],
  [
    "the watermark is of another history",
    { watermark: { ...watermark, chain: "other" } },
    "corrupt",
  ],
  ["the watermark is of a longer log", { watermark: { ...watermark, last: 25 } }, "corrupt"],
  [
    "the log forgot a vote",
    { head: { ...head, hardState: { ...hardState, vote: null } } },
    "corrupt",
  ],
  ["the log forgot a term", { head: { ...head, hardState: { ...hardState, term: 2 } } }, "corrupt"],
];

for (const [title, change, expected] of table) {
  it(`${expected} when ${title}`, () => {
    const { health, detail } = judge({ ...good, ...change });
    assert.is(health, expected, detail);
    if (expected === "corrupt" || expected === "torn-tail") assert.ok(detail.length > 10);
  });
}

it.run();
