/**
 * The transcript on disk: a folder of segments, each named by the stream offset it begins at (16 digits), each
 * a row of records: u32 length, u32 CRC-32 (of all that follows), f64 wall time in ms, f64 stream offset, bytes;
 * little-endian. Offsets count every byte the command wrote; where the middle was dropped to keep the limit,
 * segments are missing, and a hole between two names tells how much.
 */
import { crc32 } from "node:zlib";

export const headerBytes = 24;
/** Larger lengths in a header are damage, not data. */
export const recordBytesLimit = 256 * 1024;

export interface TranscriptRecord {
  readonly offset: number;
  readonly time: number;
  readonly bytes: Uint8Array;
}

export type DecodedRecord =
  | { readonly kind: "record"; readonly record: TranscriptRecord; readonly next: number }
  /** The file ends inside this record: it is being written, or was when the machine stopped. */
  | { readonly kind: "torn" }
  | { readonly kind: "damaged" };

export function segmentName(offset: number): string {
  return offset.toString().padStart(16, "0");
}

/** The offset in a segment's name, or null for another file. */
export function segmentOffset(name: string): number | null {
  return /^\d{16}$/.test(name) ? Number(name) : null;
}

export function encodeRecord(record: TranscriptRecord): Buffer {
  const buffer = Buffer.allocUnsafe(headerBytes + record.bytes.length);
  buffer.writeUInt32LE(record.bytes.length, 0);
  buffer.writeDoubleLE(record.time, 8);
  buffer.writeDoubleLE(record.offset, 16);
  buffer.set(record.bytes, headerBytes);
  buffer.writeUInt32LE(crc32(buffer.subarray(8)), 4);
  return buffer;
}

/** The record at `position` of a segment's bytes. Its payload is a view, not a copy. */
export function decodeRecord(segment: Buffer, position: number): DecodedRecord {
  if (position + headerBytes > segment.length) return { kind: "torn" };
  const length = segment.readUInt32LE(position);
  if (length === 0 || length > recordBytesLimit) return { kind: "damaged" };
  const next = position + headerBytes + length;
  if (next > segment.length) return { kind: "torn" };
  const expected = segment.readUInt32LE(position + 4);
  if (crc32(segment.subarray(position + 8, next)) !== expected) return { kind: "damaged" };
  const time = segment.readDoubleLE(position + 8);
  const offset = segment.readDoubleLE(position + 16);
  const bytes = segment.subarray(position + headerBytes, next);
  return { kind: "record", record: { offset, time, bytes }, next };
}
