import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { errorCode } from "../../../src/base/errors.ts";
import { FrameDecoder, lengthPrefix, type PrefixWidth } from "../../../src/p2p/framing.ts";
import { SendQueue } from "../../../src/p2p/send-queue.ts";

const it = suite("p2p framing");

function framed(frames: readonly Uint8Array[], width: PrefixWidth): Buffer {
  return Buffer.concat(frames.flatMap((frame) => [lengthPrefix(frame.byteLength, width), frame]));
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

it("gives the same frames however the stream is cut", () => {
  const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 20 });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(frames, cuts, fc.constantFrom<PrefixWidth>(2, 4), (sent, sizes, prefix) => {
      const decoder = new FrameDecoder({ maxFrameBytes: 64, prefix });
      const stream = framed(sent, prefix);
      const got: Buffer[] = [];
      for (let at = 0, turn = 0; at < stream.byteLength; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        for (const frame of decoder.push(stream.subarray(at, at + size))) {
          got.push(Buffer.from(frame));
        }
        at += size;
      }
      assert.equal(
        got,
        sent.map((frame) => Buffer.from(frame)),
      );
      assert.is(decoder.pendingBytes, 0);
    }),
  );
});

it("refuses a length above the limit as soon as the header is there", () => {
  const decoder = new FrameDecoder({ maxFrameBytes: 100, prefix: 4 });
  assert.is(
    codeOf(() => [...decoder.push(Buffer.of(0, 0, 0))]),
    undefined,
  );
  assert.is(
    codeOf(() => [...decoder.push(Buffer.of(101))]),
    "FRAME_TOO_LARGE",
  );
});

it("takes the limit itself and refuses a frame of nothing", () => {
  const decoder = new FrameDecoder({ maxFrameBytes: 3, prefix: 2 });
  assert.equal([...decoder.push(Buffer.of(0, 3, 7, 8, 9))], [Buffer.of(7, 8, 9)]);
  assert.is(
    codeOf(() => [...decoder.push(Buffer.of(0, 0))]),
    "FRAME_MALFORMED",
  );
});

it("keeps only bytes that arrived, not what a header promises", () => {
  const decoder = new FrameDecoder({ maxFrameBytes: 2 ** 31, prefix: 4 });
  assert.equal([...decoder.push(Buffer.of(0x7f, 0xff, 0xff, 0xff, 1, 2))], []);
  assert.is(decoder.pendingBytes, 2);
});

it("keeps a large frame that comes byte by byte in few pieces", () => {
  const decoder = new FrameDecoder({ maxFrameBytes: 100_000, prefix: 4 });
  const frame = Uint8Array.from({ length: 50_000 }, (_, at) => at % 251);
  const stream = framed([frame], 4);
  for (let at = 0; at < stream.byteLength - 1; at += 1) {
    assert.equal([...decoder.push(stream.subarray(at, at + 1))], []);
    assert.ok(decoder.pendingChunks <= 256);
  }
  const [whole] = decoder.push(stream.subarray(-1));
  assert.equal(Buffer.compare(whole ?? new Uint8Array(0), frame), 0);
});

it("queues frames up to its bound and then refuses", () => {
  const queue = new SendQueue({ maxBytes: 20, prefix: 4 });
  assert.equal([queue.push(Buffer.alloc(6)), queue.push(Buffer.alloc(6))], [1, 2]);
  assert.is(queue.push(Buffer.of(1)), 0);
  assert.is(queue.bytes, 20);
});

it("takes one frame above the bound when it is alone", () => {
  const queue = new SendQueue({ maxBytes: 20, prefix: 4 });
  assert.is(queue.push(Buffer.alloc(100)), 1);
  assert.is(queue.push(Buffer.alloc(1)), 0);
});

it("knows which frames were taken out, also when numbering goes on from another queue", () => {
  const queue = new SendQueue({ maxBytes: 1000, prefix: 2, lastSeq: 40 });
  assert.equal(
    [queue.push(Buffer.of(1)), queue.push(Buffer.of(2)), queue.push(Buffer.of(3))],
    [41, 42, 43],
  );
  assert.is(queue.sentSeq, 40);
  assert.equal(queue.take(4), Buffer.of(0, 1, 1, 0, 1, 2));
  assert.is(queue.sentSeq, 42);
  assert.equal(queue.take(1), Buffer.of(0, 1, 3));
  assert.is(queue.take(1), null);
  assert.is(queue.bytes, 0);
});

it("stays right over thousands of frames", () => {
  const queue = new SendQueue({ maxBytes: 1_000_000, prefix: 4 });
  const taken: number[] = [];
  for (let i = 0; i < 5000; i += 1) {
    queue.push(Buffer.of(i % 256));
    if (i % 3 === 2) taken.push(...(queue.take(10) ?? []).filter((_, at) => at % 5 === 4));
  }
  for (let rest = queue.take(10); rest !== null; rest = queue.take(10)) {
    taken.push(...rest.filter((_, at) => at % 5 === 4));
  }
  assert.equal(
    taken,
    Array.from({ length: 5000 }, (_, i) => i % 256),
  );
});

it.run();
