import { Packr } from "msgpackr";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Configuration,
  type Entry,
  type Message,
} from "../../../../src/consensus/core/types.ts";
import {
  decodeMessages,
  encodeMessages,
  generationOf,
  wireBytes,
} from "../../../../src/consensus/driver/wire.ts";
import { history } from "../../../support/entries.ts";

const it = suite("wire");

const config: Configuration = {
  index: 7,
  sets: [["a", "b"], ["a"]],
  standbys: ["c"],
  standbysNext: ["b"],
  observers: ["d", "e"],
  lost: ["f"],
  autoLeave: true,
};
const entries: readonly Entry[] = [
  { index: 11, term: 3, type: 0, data: new Uint8Array() },
  { index: 12, term: 2 ** 47, type: 1, data: Uint8Array.from([1, 2, 3]) },
  { index: 13, term: 2 ** 47, type: 4, data: new Uint8Array(70_000).fill(9) },
];
const base = { from: "alpha", to: "beta", term: 2 ** 50 };
const everyKind: readonly Message[] = [
  { type: "PreVote", ...base, lastIndex: 1, lastTerm: 2, transfer: true },
  { type: "Vote", ...base, lastIndex: 2 ** 33, lastTerm: 2, transfer: false },
  { type: "PreVoteResp", ...base, granted: true, requestTerm: 5 },
  { type: "VoteResp", ...base, granted: false, requestTerm: 0 },
  { type: "Append", ...base, prevIndex: 10, prevTerm: 1, entries, commit: 9, leaderLast: 99 },
  { type: "Append", ...base, prevIndex: 13, prevTerm: 1, entries: [], commit: 9, leaderLast: 99 },
  { type: "AppendResp", ...base, ok: true, index: 12, hintIndex: 3, hintTerm: 1 },
  { type: "Heartbeat", ...base, commit: 4, leaderLast: 6, round: 77 },
  { type: "HeartbeatResp", ...base, round: 77 },
  {
    type: "Snapshot",
    ...base,
    meta: {
      id: "s-1",
      index: 5,
      term: 2,
      config,
      ...history,
      sizeBytes: 3,
      sha256: "ab".repeat(32),
    },
  },
  { type: "TimeoutNow", ...base },
  { type: "ReadIndex", ...base, context: 8 },
  { type: "ReadIndexResp", ...base, context: 8, index: 4, ok: false },
];

const generation = "0123456789abcdef".repeat(2);
const packr = new Packr({ useRecords: false });

function frame(rows: unknown, bodies: Uint8Array = new Uint8Array()): Uint8Array {
  const header = packr.pack(rows);
  const prefix = Buffer.alloc(21);
  prefix.writeUInt8(2, 0);
  prefix.writeUInt32BE(header.byteLength, 17);
  return Buffer.concat([prefix, header, bodies]);
}

it("gives back every kind of message", () => {
  const decoded = decodeMessages(encodeMessages(everyKind, generation));
  assert.equal(JSON.stringify(decoded?.map(readable)), JSON.stringify(everyKind.map(readable)));
});

it("names the generation that messages belong to", () => {
  assert.is(generationOf(encodeMessages(everyKind, generation)), generation);
  assert.is(generationOf(new Uint8Array(20)), "");
});

it("gives entries bytes of their own, so that the frame may be reused", () => {
  const encoded = encodeMessages(everyKind, generation);
  const decoded = decodeMessages(encoded) ?? [];
  encoded.fill(0);
  assert.equal(decoded.map(readable)[4], everyKind.map(readable)[4]);
});

it("never estimates a message below its size", () => {
  for (const message of everyKind) {
    assert.ok(encodeMessages([message], generation).byteLength <= wireBytes(message), message.type);
  }
});

it("refuses a frame cut anywhere, or with a byte behind its end", () => {
  const encoded = encodeMessages(
    everyKind.filter((message) => message.type !== "Append"),
    generation,
  );
  for (let length = 0; length < encoded.byteLength; length += 1) {
    assert.is(decodeMessages(encoded.subarray(0, length)), null, `cut at ${length}`);
  }
  assert.is(decodeMessages(Buffer.concat([encoded, Uint8Array.of(0)])), null);
  const withBody = encodeMessages(everyKind, generation);
  assert.is(decodeMessages(withBody.subarray(0, withBody.byteLength - 1)), null);
  assert.is(decodeMessages(Buffer.concat([withBody, Uint8Array.of(0)])), null);
});

it("refuses another version and an oversized frame", () => {
  const encoded = encodeMessages([], generation);
  assert.equal(decodeMessages(encoded), []);
  encoded[0] = 1;
  assert.is(decodeMessages(encoded), null);
  assert.is(decodeMessages(new Uint8Array(4 * 1024 * 1024 + 1).fill(1)), null);
});

it("refuses fields of the wrong type, range or number", () => {
  const good = [6, "a", "b", 1, 2, 3, 4];
  assert.ok(decodeMessages(frame([good])));
  const bad: readonly unknown[] = [
    [6, "a", "b", 1, 2, 3],
    [6, "a", "b", 1, 2, 3, 4, 5],
    [12, "a", "b", 1],
    [6, "", "b", 1, 2, 3, 4],
    [6, "a".repeat(129), "b", 1, 2, 3, 4],
    [6, "a", 5, 1, 2, 3, 4],
    [6, "a", "b", -1, 2, 3, 4],
    [6, "a", "b", 1.5, 2, 3, 4],
    [6, "a", "b", Number.NaN, 2, 3, 4],
    [6, "a", "b", 2 ** 53, 2, 3, 4],
    [6, "a", "b", 1n << 60n, 2, 3, 4],
    [2, "a", "b", 1, 1, 5],
    { type: "Heartbeat" },
    null,
  ];
  for (const row of bad) assert.is(decodeMessages(frame([row])), null, JSON.stringify(row, big));
  assert.is(decodeMessages(frame({ rows: [] })), null);
  assert.is(decodeMessages(frame(new Array(4097).fill(good))), null);
});

it("refuses an append whose body does not hold what its row says", () => {
  const row = (count: number, bytes: number) => [4, "a", "b", 1, 0, 0, 0, 9, count, bytes];
  const one = Buffer.from([0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 3, 42]);
  assert.ok(decodeMessages(frame([row(1, 12)], one)));
  assert.is(decodeMessages(frame([row(2, 12)], one)), null);
  assert.is(decodeMessages(frame([row(0, 12)], one)), null);
  assert.is(decodeMessages(frame([row(1, 13)], one)), null);
  assert.is(decodeMessages(frame([row(4_000_000_000, 12)], one)), null);
  const unknownType = Buffer.from(one);
  unknownType[4] = 9;
  assert.is(decodeMessages(frame([row(1, 12)], unknownType)), null);
  const tooLong = Buffer.from(one);
  tooLong[3] = 2;
  assert.is(decodeMessages(frame([row(1, 12)], tooLong)), null);
});

it("refuses what is no msgpack without throwing", () => {
  for (let seed = 1; seed < 2000; seed += 1) {
    const noise = Buffer.alloc(40, 0);
    for (let i = 0; i < noise.length; i += 1) noise[i] = (seed * 2654435761 + i * 40503) >>> 13;
    const prefix = Buffer.alloc(21);
    prefix[0] = 2;
    prefix[20] = 40;
    decodeMessages(Buffer.concat([prefix, noise]));
  }
  const nested = Buffer.alloc(5000, 0x91);
  const prefix = Buffer.alloc(21);
  prefix[0] = 2;
  prefix.writeUInt32BE(nested.byteLength, 17);
  assert.is(decodeMessages(Buffer.concat([prefix, nested])), null);
});

function readable(message: Message): unknown {
  if (message.type !== "Append") return message;
  return {
    ...message,
    entries: message.entries.map((entry) => ({
      ...entry,
      data: Buffer.from(entry.data).toString("base64"),
    })),
  };
}

function big(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

it.run();
