/**
 * The bytes of a run of entries, the same on disk and on the wire: per entry a u32 data length, a u8 type and a
 * u48 term (big endian), then the data. Indexes are implied by the first one, so a run is contiguous by nature.
 */
import { type Entry, EntryType, type Index } from "../core/types.ts";

export const entryHeaderBytes = 11;
const highestType = Math.max(...Object.values(EntryType));

/** Bytes that `writeBody` needs for `entries`. */
export function bodyBytes(entries: readonly Entry[]): number {
  let total = entries.length * entryHeaderBytes;
  for (const entry of entries) total += entry.data.byteLength;
  return total;
}

/** Writes `entries` into `target` from `offset` on; returns the offset behind them. */
export function writeBody(target: Buffer, offset: number, entries: readonly Entry[]): number {
  let at = offset;
  for (const entry of entries) {
    at = target.writeUInt32BE(entry.data.byteLength, at);
    at = target.writeUInt8(entry.type, at);
    at = target.writeUIntBE(entry.term, at, 6);
    target.set(entry.data, at);
    at += entry.data.byteLength;
  }
  return at;
}

/** Entries of a body that starts with index `first`, their data being views of it; null when it is malformed. */
export function readBody(body: Buffer, first: Index, count: number): readonly Entry[] | null {
  const entries: Entry[] = [];
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (at + entryHeaderBytes > body.byteLength) return null;
    const length = body.readUInt32BE(at);
    const type = asEntryType(body.readUInt8(at + 4));
    const term = body.readUIntBE(at + 5, 6);
    at += entryHeaderBytes;
    if (type === null || length > body.byteLength - at) return null;
    entries.push({ index: first + i, term, type, data: body.subarray(at, at + length) });
    at += length;
  }
  return at === body.byteLength ? entries : null;
}

function asEntryType(value: number): EntryType | null {
  return value <= highestType ? (value as EntryType) : null;
}
