/** Wire formats: what is written is read back, the sizes are those the core counts with, junk is refused. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../../src/base/errors.ts";
import { asPeerId } from "../../../../src/base/ids.ts";
import { type Random, seededRandom } from "../../../../src/base/random.ts";
import { Directory } from "../../../../src/gossip/core/directory.ts";
import {
  messageBytes,
  recordBytes,
  syncAnswerBytes,
  syncRequestBytes,
} from "../../../../src/gossip/core/sizes.ts";
import {
  type Frame,
  type Message,
  type EventBody,
  type SelfRecord,
  type SignedEvent,
  type SignedRecord,
  type SyncAnswer,
  type SyncRequest,
} from "../../../../src/gossip/core/types.ts";
import { decodeFrame, encodeFrame } from "../../../../src/gossip/wire/frame-codec.ts";
import {
  decodeRecordBody,
  encodeRecordBody,
  recordBodyBytesMax,
} from "../../../../src/gossip/wire/record-codec.ts";
import { encodeEventBody } from "../../../../src/gossip/wire/event-codec.ts";
import {
  decodeSyncAnswer,
  decodeSyncRequest,
  encodeSyncAnswer,
  encodeSyncRequest,
} from "../../../../src/gossip/wire/sync-codec.ts";

const it = suite("gossip/wire");

const directory = new Directory({ capacity: 100, rings: 10 }, (id) =>
  createHash("sha256").update(id).digest(),
);
for (let ix = 0; ix < 50; ix += 1) directory.intern(asPeerId(`peer-${ix}`));

const body: SelfRecord = {
  id: asPeerId("12D3KooWExampleExampleExampleExampleExampleExample12"),
  incarnation: 4_000_000_000,
  bootId: "00112233445566778899aabbccddeeff",
  ...{ protocolMin: 1, protocolMax: 3, leaving: true, degraded: true, datagrams: "usual" },
  name: "schlüssel-3",
  address: "node-3.example.org:7946",
  tags: { role: "storage", zone: "a/b", empty: "" },
};

function signed(record: SelfRecord = body): SignedRecord {
  return { body: record, bytes: encodeRecordBody(record), signature: new Uint8Array(64).fill(9) };
}

function told(content: EventBody): SignedEvent {
  return { body: content, bytes: encodeEventBody(content), signature: new Uint8Array(64).fill(7) };
}

const payload = Uint8Array.from([0, 255, 10]);
const event = told({ ltime: 2 ** 48 - 1, origin: body.id, name: "déploiement", payload });
const largest = told({
  ...{ ltime: 1, origin: asPeerId("p".repeat(64)), name: "n".repeat(64) },
  payload: new Uint8Array(448),
});

const suspicion = { member: 3, incarnation: 7, from: 4, refused: false } as const;
const messages: readonly Message[] = [
  { kind: "ping", seq: 0xffffffff, target: 1 },
  { kind: "ack", seq: 0 },
  { kind: "pingRequest", seq: 17, target: 49 },
  { kind: "nack", seq: 18 },
  { kind: "suspect", ...suspicion },
  { kind: "suspect", ...suspicion, refused: true },
  { kind: "failed", ...suspicion },
  { kind: "alive", record: signed() },
  { kind: "event", event },
  { kind: "event", event: largest },
];
const requests: readonly SyncRequest[] = [
  {
    kind: "compare",
    hash: { high: 1, low: 0xffffffff },
    events: { clock: 2 ** 40, hash: 5 },
    record: signed(),
  },
  {
    kind: "exchange",
    wantMembers: [1, 2],
    wantKeys: [],
    records: [signed(), signed({ ...body, tags: {} })],
    accusations: [{ kind: "failed", ...suspicion }],
    events: [event, largest],
  },
];
const answers: readonly SyncAnswer[] = [
  { kind: "same" },
  {
    kind: "digest",
    digest: {
      members: Int32Array.from(Array.from({ length: 50 }, (_, ix) => ix)),
      incarnations: Uint32Array.from(Array.from({ length: 50 }, (_, ix) => 0xffffffff - ix)),
      states: Uint8Array.from(Array.from({ length: 50 }, (_, ix) => 1 + (ix % 4))),
      unknown: [],
    },
    told: null,
  },
  {
    kind: "digest",
    digest: {
      ...{ members: new Int32Array(0), incarnations: new Uint32Array(0), unknown: [] },
      states: new Uint8Array(0),
    },
    told: { clock: 2 ** 33, events: [largest] },
  },
  { kind: "events", told: { clock: 9, events: [event] } },
  { kind: "busy", records: [signed()] },
  { kind: "records", records: [signed()], accusations: [{ kind: "failed", ...suspicion }] },
];

for (const message of messages) {
  it(`reads back ${message.kind}, in the bytes that the core counts with`, () => {
    const bytes = encodeFrame(directory, [message]);
    assert.equal(decodeFrame(directory, bytes), [message]);
    assert.is(bytes.length, 1 + messageBytes(message));
  });
}

it("keeps how a member takes datagrams, as earlier agents said it too", () => {
  const flagsAt = 1 + 4 + 16 + 2;
  const flagsOf = { none: 0, fallback: 8, usual: 4 };
  for (const datagrams of ["none", "fallback", "usual"] as const) {
    const bytes = encodeRecordBody({ ...body, leaving: false, degraded: false, datagrams });
    assert.is(bytes[flagsAt], flagsOf[datagrams]);
    assert.is(decodeRecordBody(bytes)?.datagrams, datagrams);
  }
});

it("reads back a frame of many messages, in order", () => {
  assert.equal(decodeFrame(directory, encodeFrame(directory, messages)), messages);
});

for (const request of requests) {
  it(`reads back the request ${request.kind}`, () => {
    const bytes = encodeSyncRequest(directory, request);
    assert.equal(decodeSyncRequest(directory, bytes), request);
    assert.is(bytes.length, syncRequestBytes(request));
  });
}

for (const answer of answers) {
  it(`reads back the answer ${answer.kind}`, () => {
    const bytes = encodeSyncAnswer(directory, answer);
    assert.equal(decodeSyncAnswer(directory, bytes), answer);
    assert.is(bytes.length, syncAnswerBytes(answer));
  });
}

it("keeps members it cannot name as keys to ask for, unless they are dead", () => {
  const other = new Directory({ capacity: 100, rings: 10 }, (id) =>
    createHash("sha256").update(id).digest(),
  );
  const [, digest] = answers;
  if (digest === undefined) return;
  const answer = decodeSyncAnswer(other, encodeSyncAnswer(directory, digest));
  assert.is(answer?.kind, "digest");
  if (answer?.kind !== "digest") return;
  assert.is(answer.digest.members.length, 0);
  assert.is(answer.digest.unknown.length, 26);
  assert.is(answer.digest.unknown[0], directory.key(0));
  const request = { wantMembers: [], wantKeys: answer.digest.unknown, records: [] } as const;
  const bytes = encodeSyncRequest(other, {
    ...{ kind: "exchange", ...request },
    ...{ accusations: [], events: [] },
  });
  const asked = decodeSyncRequest(directory, bytes);
  assert.is(asked?.kind === "exchange" ? asked.wantMembers.length : 0, 26);
});

it("skips messages about members that it does not know", () => {
  const other = new Directory({ capacity: 9, rings: 10 }, (id) =>
    createHash("sha256").update(id).digest(),
  );
  const bytes = encodeFrame(directory, messages);
  assert.equal(
    decodeFrame(other, bytes)?.map(({ kind }) => kind),
    ["ack", "nack", "alive", "event", "event"],
  );
});

it("keeps the bytes of a record as they were signed", () => {
  const record = signed();
  const [message] =
    decodeFrame(directory, encodeFrame(directory, [{ kind: "alive", record }])) ?? [];
  assert.equal(message?.kind === "alive" ? message.record.bytes : null, record.bytes);
});

it("fits the largest record into one frame", () => {
  const largest = {
    ...body,
    ...{ id: asPeerId("x".repeat(64)), name: "n".repeat(63), address: "a".repeat(255) },
    tags: { k: "v".repeat(508) },
  };
  const record = signed(largest);
  assert.ok(record.bytes.length <= recordBodyBytesMax);
  assert.ok(1 + 13 + 1 + recordBytes(record) <= 1350);
  assert.equal(decodeRecordBody(record.bytes), largest);
});

const tooLarge: readonly (readonly [string, Partial<SelfRecord>])[] = [
  ["tags above 512 bytes", { tags: { a: "x".repeat(300), b: "y".repeat(300) } }],
  ["a name above 63 bytes", { name: "ü".repeat(32) }],
  ["an address above 255 bytes", { address: "a".repeat(256) }],
  ["a name that moves the cursor of a terminal", { name: "a\u001b[2J" }],
];
for (const [name, change] of tooLarge) {
  it(`refuses to write ${name}`, () => {
    try {
      encodeRecordBody({ ...body, ...change });
      assert.unreachable();
    } catch (error) {
      assert.ok(isAgentError(error, "GOSSIP_RECORD_TOO_LARGE"));
    }
  });
}

it("refuses a record with control characters in its name, address or tags", () => {
  for (const text of ["schl", "node-3", "storage"]) {
    const bytes = encodeRecordBody(body);
    const at = Buffer.from(bytes).indexOf(text);
    assert.ok(at > 0);
    bytes[at] = 0x1b;
    assert.is(decodeRecordBody(bytes), null, text);
  }
});

it("refuses frames that are cut short, or go on", () => {
  for (const message of messages) {
    const bytes = encodeFrame(directory, [message]);
    for (let length = 2; length < bytes.length; length += 1) {
      assert.is(
        decodeFrame(directory, bytes.subarray(0, length)),
        null,
        `${message.kind} ${length}`,
      );
    }
  }
  const bytes = encodeSyncAnswer(directory, { kind: "same" });
  assert.is(decodeSyncAnswer(directory, Uint8Array.from([...bytes, 0])), null);
});

it("refuses other versions and unknown kinds", () => {
  const [ping] = messages;
  const bytes = encodeFrame(directory, ping === undefined ? [] : [ping]);
  assert.is(decodeFrame(directory, Uint8Array.from([2, ...bytes.subarray(1)])), null);
  assert.is(decodeFrame(directory, Uint8Array.from([1, 99])), null);
  assert.is(decodeFrame(directory, new Uint8Array(0)), null);
});

it("does not reserve memory for counts that the bytes cannot hold", () => {
  const claim = Uint8Array.from([1, 2, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
  assert.is(decodeSyncAnswer(directory, claim), null);
  assert.is(decodeSyncRequest(directory, claim), null);
});

it("survives a hundred thousand random and damaged inputs without throwing", () => {
  const random = seededRandom(11);
  const samples = [
    ...messages.map((message) => encodeFrame(directory, [message])),
    ...requests.map((request) => encodeSyncRequest(directory, request)),
    ...answers.map((answer) => encodeSyncAnswer(directory, answer)),
    encodeRecordBody(body),
  ];
  for (let step = 0; step < 100_000; step += 1) {
    const bytes =
      step % 4 === 0 ? noise(random) : damaged(samples[random.below(samples.length)], random);
    const frame: Frame | null = decodeFrame(directory, bytes);
    if (frame !== null) assert.is(Array.isArray(frame), true);
    decodeSyncRequest(directory, bytes);
    decodeSyncAnswer(directory, bytes);
    decodeRecordBody(bytes);
  }
});

function noise(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
}

function damaged(sample: Uint8Array | undefined, random: Random): Uint8Array {
  const bytes = Uint8Array.from(sample ?? []);
  for (let flips = 1 + random.below(4); flips > 0; flips -= 1) {
    bytes[random.below(bytes.length)] = random.below(256);
  }
  return random.float() < 0.2 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

it.run();
