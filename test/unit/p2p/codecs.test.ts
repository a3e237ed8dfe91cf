/** Everything that is decoded from peers, fed with what they should not send. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Packr } from "msgpackr";
import fc from "fast-check";
import { isAgentError } from "../../../src/base/errors.ts";
import { newUuid } from "../../../src/base/ids.ts";
import { decodeAnswer, encodeHello, HelloAnswer, judgeHello } from "../../../src/p2p/hello.ts";
import {
  decodeJoinAnswer,
  decodeJoinHello,
  decodeJoinProof,
  decodeJoinRequest,
  encodeJoin,
  encodeRefusal,
  proofOf,
} from "../../../src/p2p/join-wire.ts";
import { decodeRpc, encodeRpc, type RpcMessage } from "../../../src/p2p/rpc-codec.ts";
import {
  decodeOffer,
  decodeReceiverFrame,
  decodeSenderFrame,
  encodeAt,
  encodeChunk,
} from "../../../src/p2p/snapshot-wire.ts";
import {
  decodeStanding,
  decodeStandingQuestion,
  encodeStanding,
  encodeStandingQuestion,
  type Standing,
} from "../../../src/p2p/standing-wire.ts";
import { asPeerId } from "../../../src/base/ids.ts";

const it = suite("p2p codecs");
const packr = new Packr({ useRecords: false });

it("reads every RPC message that it wrote", () => {
  const messages: readonly RpcMessage[] = [
    { kind: "request", id: 1, method: "m", timeoutMs: 5, payload: { a: [1, null] } },
    { kind: "result", id: 2, payload: "x" },
    { kind: "failure", id: 3, code: "NO_LEADER", message: "m", details: { a: 1 } },
    { kind: "cancel", id: 4 },
  ];
  for (const message of messages) assert.equal(decodeRpc(encodeRpc(message)), message);
});

it("refuses RPC rows with a bad id, method, deadline, code or shape", () => {
  const bad: readonly unknown[] = [
    null,
    [],
    [0],
    {},
    [0, 0, "m", 5, null],
    [0, 1.5, "m", 5, null],
    [0, "1", "m", 5, null],
    [0, 1, "", 5, null],
    [0, 1, "m".repeat(65), 5, null],
    [0, 1, "m", 0, null],
    [0, 1, "m", Number.NaN, null],
    [0, 1, "m", 1e12, null],
    [0, 1, "m", 5],
    [2, 1, "lower", "m", {}],
    [2, 1, "OK", 7, {}],
    [2, 1, "OK", "m", []],
    [2, 1, "OK", "m", null],
    [3, 1, 2],
    [4, 1],
    ["0", 1, "m", 5, null],
  ];
  for (const row of bad) assert.is(decodeRpc(packr.pack(row)), null, JSON.stringify(row));
});

it("never throws on bytes at random", () => {
  const from = asPeerId("a");
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      decodeRpc(bytes);
      decodeAnswer(bytes);
      judgeHello(bytes, newUuid());
      decodeSenderFrame(bytes);
      decodeReceiverFrame(bytes);
      decodeOffer(bytes, from);
    }),
  );
});

it("answers a coded error to join frames at random", () => {
  const decoders = [decodeJoinHello, decodeJoinProof, decodeJoinRequest, decodeJoinAnswer];
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      for (const decode of decoders) {
        try {
          decode(bytes);
          assert.unreachable();
        } catch (error) {
          assert.ok(isAgentError(error, "FRAME_MALFORMED"));
        }
      }
    }),
  );
});

it("gives a refusal of the join dialogue as its code", () => {
  try {
    decodeJoinProof(encodeRefusal("TOKEN_USED", "The token is used up."));
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "TOKEN_USED"));
  }
});

it("refuses a join answer with members that are no members", () => {
  const names = { clusterId: newUuid(), clusterName: "c", nodeName: "n" };
  const good = { ...names, members: [], reached: false };
  assert.equal(decodeJoinAnswer(encodeJoin(good)), good);
  const earlier = decodeJoinAnswer(packr.pack({ ...names, members: [] }));
  assert.ok(earlier.reached, "an earlier version says nothing of it");
  const bad = [{ id: 1, address: "a:1", name: "n" }, null, { id: "x", address: "", name: "n" }];
  for (const member of bad) {
    assert.throws(() => decodeJoinAnswer(packr.pack({ ...good, members: [member] })));
  }
  assert.throws(() => decodeJoinAnswer(packr.pack({ ...good, members: "all" })));
});

it("makes a join proof that depends on every part of it", () => {
  const base = {
    verifier: "11".repeat(32),
    label: "client" as const,
    client: asPeerId("alpha"),
    server: asPeerId("beta"),
    clientNonce: Buffer.alloc(32, 1),
    serverNonce: Buffer.alloc(32, 2),
    clusterId: "ab".repeat(16),
  };
  const variants = [
    base,
    { ...base, verifier: "12".repeat(32) },
    { ...base, label: "server" as const },
    { ...base, client: asPeerId("alphab"), server: asPeerId("eta") },
    { ...base, client: asPeerId("beta"), server: asPeerId("alpha") },
    { ...base, clientNonce: Buffer.alloc(32, 2) },
    { ...base, serverNonce: Buffer.alloc(32, 1) },
    { ...base, clusterId: "ac".repeat(16) },
  ];
  const proofs = new Set(variants.map((input) => Buffer.from(proofOf(input)).toString("hex")));
  assert.is(proofs.size, variants.length);
});

it("accepts only a hello of its own cluster", () => {
  const cluster = newUuid();
  assert.is(judgeHello(encodeHello(cluster), cluster), HelloAnswer.accepted);
  assert.is(judgeHello(encodeHello(newUuid()), cluster), HelloAnswer.foreignCluster);
  assert.is(judgeHello(encodeHello(cluster), null), HelloAnswer.unready);
  assert.is(judgeHello(Buffer.alloc(17, 2), cluster), HelloAnswer.malformed);
  assert.is(judgeHello(Buffer.alloc(18), cluster), HelloAnswer.malformed);
  assert.is(judgeHello(encodeHello(cluster).subarray(1), cluster), HelloAnswer.malformed);
});

it("refuses who speaks no version in common, and takes who speaks one", () => {
  const cluster = newUuid();
  const verdict = (min: number, max: number): number =>
    judgeHello(encodeHello(cluster, { min, max }), cluster);
  assert.is(verdict(1, 7), HelloAnswer.accepted);
  assert.is(verdict(2, 7), HelloAnswer.incompatible);
  assert.is(verdict(3, 2), HelloAnswer.malformed);
  assert.is(verdict(0, 1), HelloAnswer.malformed);
});

it("notices a chunk of a snapshot with one flipped bit", () => {
  const chunk = Buffer.from(encodeChunk(Buffer.from("payload")));
  assert.equal(decodeSenderFrame(chunk), { kind: "chunk", bytes: Buffer.from("payload") });
  for (let byte = 1; byte < chunk.byteLength; byte += 1) {
    const damaged = Buffer.from(chunk);
    damaged.writeUInt8(damaged.readUInt8(byte) ^ 4, byte);
    assert.is(decodeSenderFrame(damaged), null);
  }
  assert.equal(decodeReceiverFrame(encodeAt(2 ** 40)), { kind: "at", offset: 2 ** 40 });
});

it("tells the question about membership from the hello of a join", () => {
  const clusterId = newUuid();
  assert.is(decodeStandingQuestion(encodeStandingQuestion(clusterId)), clusterId);
  const hello = { clusterId, tokenId: "t", nonce: new Uint8Array(32) };
  assert.is(decodeStandingQuestion(encodeJoin(hello)), null);
  assert.throws(() => decodeStandingQuestion(packr.pack({ question: "standing" })));
});

it("reads every word about membership that it wrote, and none that is odd", () => {
  const at = { generation: { n: 3, id: newUuid() }, index: 812 };
  const words: readonly Standing[] = [
    { standing: "unknown" },
    { standing: "admitted", ...at },
    { standing: "evicted", ...at },
  ];
  for (const word of words) assert.equal(decodeStanding(encodeStanding(word)), word);
  const bad: readonly unknown[] = [
    null,
    {},
    { standing: "gone", ...at },
    { standing: "evicted" },
    { standing: "evicted", ...at, index: -1 },
    { standing: "evicted", ...at, index: 1.5 },
    { standing: "evicted", ...at, generation: { n: 1, id: "x" } },
    { standing: "evicted", ...at, generation: null },
  ];
  for (const word of bad) {
    assert.throws(() => decodeStanding(packr.pack(word)), undefined, JSON.stringify(word));
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      for (const decode of [decodeStanding, decodeStandingQuestion]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(isAgentError(error, "FRAME_MALFORMED"));
        }
      }
    }),
  );
});

it.run();
