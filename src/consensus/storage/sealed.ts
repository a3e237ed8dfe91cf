/** Small records of our own (never a peer's) with a CRC-32 in front: u32 crc | msgpack. */
import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";

const packr = new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true });
const crcBytes = 4;

export function seal(value: unknown): Buffer {
  const body = packr.pack(value);
  const record = Buffer.allocUnsafe(crcBytes + body.byteLength);
  record.writeUInt32BE(crc32(body), 0);
  record.set(body, crcBytes);
  return record;
}

/** The sealed value, or undefined when the record is damaged. */
export function unseal(record: Buffer): unknown {
  if (record.byteLength <= crcBytes) return undefined;
  const body = record.subarray(crcBytes);
  if (crc32(body) !== record.readUInt32BE(0)) return undefined;
  const value: unknown = packr.unpack(body);
  return value;
}
