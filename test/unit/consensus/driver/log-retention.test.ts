import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type PeerProgress } from "../../../../src/consensus/core/types.ts";
import {
  keepFrom,
  neededBy,
  SentSnapshots,
} from "../../../../src/consensus/driver/log-retention.ts";

const it = suite("log retention");

const limits = { trailingEntries: 100, trailingBytes: 50_000 };
/** 10 000 entries of 100 bytes. */
const log = { first: 1, last: 10_000, bytes: 1_000_000 };
const small = { index: 9000, sizeBytes: 10 };

function kept(needed: readonly number[] | number, meta = small, given = limits): number {
  return keepFrom(meta, log, { limits: given, needed: [needed].flat() });
}

it("keeps so many entries behind a snapshot, and so many bytes", () => {
  assert.is(kept([]), 8901);
  assert.is(kept([], small, { ...limits, trailingBytes: 5000 }), 8951);
  assert.is(kept([], { ...small, index: 50 }), 1, "what is there");
});

it("keeps what members need who catch up, up to the size of another snapshot", () => {
  assert.is(kept(9700), 8901, "that is kept anyway");
  assert.is(kept(5000), 8901, "501 000 bytes, and a snapshot has 10");
  assert.is(kept(5001, { ...small, sizeBytes: 500_000 }), 5001);
  assert.is(kept(5000, { ...small, sizeBytes: 500_000 }), 8901);
  assert.is(kept([7000, 40], { ...small, sizeBytes: 500_000 }), 7000, "one is too far behind");
  assert.is(kept([7000, 6000], { ...small, sizeBytes: 500_000 }), 6000);
});

it("keeps as many bytes for a member as trail the snapshot anyway", () => {
  const few = { trailingEntries: 100, trailingBytes: 300_000 };
  assert.is(kept(7001, small, few), 7001);
  assert.is(kept(7000, small, few), 8901);
});

function peer(more: Partial<PeerProgress>): PeerProgress {
  const usual = { inflight: 0, caughtUp: false, ticksSinceAck: 0, state: "replicate" } as const;
  return { ...usual, match: 10, next: 11, ...more };
}

it("counts on followers in sight that are sent entries", () => {
  const peers = new Map([
    ["a", peer({ match: 40, next: 90 })],
    ["b", peer({ match: 30, next: 31 })],
    ["gone", peer({ match: 3, ticksSinceAck: 201 })],
    ["unknown", peer({ state: "probe", match: 0 })],
    ["far", peer({ state: "snapshot", match: 2 })],
  ]);
  assert.equal(neededBy(peers), [41, 31]);
});

it("needs what is behind a snapshot from its first byte until its reader has had time", () => {
  const sent = new SentSnapshots();
  assert.equal(sent.needed(0), []);
  sent.begun("a", 70);
  sent.begun("b", 50);
  assert.equal(sent.needed(1e9), [71, 51]);
  sent.ended("b", false, 1e9);
  assert.equal(sent.needed(1e9), [71], "who did not get it is sent another one");
  sent.ended("a", true, 1e9);
  assert.equal(sent.needed(1e9 + 60_000), [71]);
  assert.equal(sent.needed(1e9 + 60_001), []);
});

it.run();
