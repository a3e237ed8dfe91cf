import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decodeRecord,
  encodeRecord,
  headerBytes,
  segmentName,
  segmentOffset,
} from "../../../src/config-engine/transcript-format.ts";

const it = suite("transcript format");
const record = { offset: 2 ** 40 + 3, time: 1_790_000_000_123.5, bytes: new Uint8Array([1, 2, 3]) };

it("reads back what it wrote", () => {
  const decoded = decodeRecord(encodeRecord(record), 0);
  assert.is(decoded.kind, "record");
  if (decoded.kind !== "record") return;
  assert.is(decoded.record.offset, record.offset);
  assert.is(decoded.record.time, record.time);
  assert.equal([...decoded.record.bytes], [1, 2, 3]);
  assert.is(decoded.next, headerBytes + 3);
});

it("calls a record that ends early torn, at every length", () => {
  const whole = encodeRecord(record);
  for (let length = 0; length < whole.length; length += 1) {
    assert.is(decodeRecord(whole.subarray(0, length), 0).kind, "torn", `${length} bytes`);
  }
});

it("sees a flipped bit anywhere in a record", () => {
  const whole = encodeRecord(record);
  for (let byte = 0; byte < whole.length; byte += 1) {
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(byte) ^ 4, byte);
    assert.is.not(decodeRecord(flipped, 0).kind, "record", `byte ${byte}`);
  }
});

it("does not believe a length that is no record's", () => {
  const huge = Buffer.alloc(headerBytes);
  huge.writeUInt32LE(0x7fffffff, 0);
  assert.is(decodeRecord(huge, 0).kind, "damaged");
  assert.is(decodeRecord(Buffer.alloc(headerBytes), 0).kind, "damaged");
});

it("names segments so that they sort by offset", () => {
  assert.is(segmentName(0), "0000000000000000");
  assert.is(segmentOffset(segmentName(67_108_864)), 67_108_864);
  assert.is(segmentOffset("complete"), null);
  assert.ok(segmentName(9) < segmentName(10));
});

it.run();
