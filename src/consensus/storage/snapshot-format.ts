/**
 * A snapshot file: magic | u32 header length | sealed header | payload | trailer. The header (position and
 * configuration) is written first, the trailer (size, SHA-256, CRC) last: a file without a good trailer is not a
 * snapshot. Ids name the content, so the same state has the same id on every agent.
 */
import { crc32 } from "node:zlib";
import { parseConfiguration, encodeConfiguration } from "../core/config-codec.ts";
import { type Index, type SnapshotMeta, type Term } from "../core/types.ts";
import { type SnapshotPosition } from "../driver/ports.ts";
import { isCount } from "./log-records.ts";
import { seal, unseal } from "./sealed.ts";

const magic = Buffer.from("MUSTSNP2");
const sizeBytes = 6;
const digestBytes = 32;
export const prefixBytes = magic.byteLength + 4;
export const trailerBytes = sizeBytes + digestBytes + 4;
export const maxHeaderBytes = 2 * 1024 * 1024;

export function snapshotId(index: Index, term: Term, sha256: string): string {
  return `${index}-${term}-${sha256.slice(0, 16)}`;
}

/** Ids from peers become file names. */
export function isSafeId(id: string): boolean {
  return /^[0-9A-Za-z-]{1,80}$/.test(id);
}

export function encodeHeader({ index, term, config, chain, generation }: SnapshotPosition): Buffer {
  const text = new TextDecoder().decode(encodeConfiguration(config));
  const body = seal([index, term, config.index, text, chain, generation]);
  const prefix = Buffer.alloc(prefixBytes);
  magic.copy(prefix);
  prefix.writeUInt32BE(body.byteLength, magic.byteLength);
  return Buffer.concat([prefix, body]);
}

/** Length of the header that follows these first bytes, or null when this is no snapshot. */
export function headerLength(prefix: Buffer): number | null {
  if (prefix.byteLength < prefixBytes) return null;
  if (!prefix.subarray(0, magic.byteLength).equals(magic)) return null;
  const length = prefix.readUInt32BE(magic.byteLength);
  return length <= maxHeaderBytes ? length : null;
}

export function decodeHeader(body: Buffer): SnapshotPosition | null {
  const row = unseal(body);
  if (!Array.isArray(row)) return null;
  const [index, term, configIndex, text, chain, generation] = row as readonly unknown[];
  if (!isCount(index) || !isCount(term) || !isCount(configIndex)) return null;
  if (typeof text !== "string" || typeof chain !== "string") return null;
  if (typeof generation !== "string") return null;
  const value: unknown = JSON.parse(text); // Under a CRC: what was encoded is JSON.
  const config = parseConfiguration(value, configIndex);
  return config === null ? null : { index, term, config, chain, generation };
}

export function encodeTrailer(payloadBytes: number, sha256: string): Buffer {
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUIntBE(payloadBytes, 0, sizeBytes);
  trailer.write(sha256, sizeBytes, "hex");
  const crcAt = sizeBytes + digestBytes;
  trailer.writeUInt32BE(crc32(trailer.subarray(0, crcAt)), crcAt);
  return trailer;
}

export function decodeTrailer(
  trailer: Buffer,
): { readonly payloadBytes: number; readonly sha256: string } | null {
  const crcAt = sizeBytes + digestBytes;
  if (trailer.byteLength !== trailerBytes) return null;
  if (trailer.readUInt32BE(crcAt) !== crc32(trailer.subarray(0, crcAt))) return null;
  const sha256 = trailer.toString("hex", sizeBytes, crcAt);
  return { payloadBytes: trailer.readUIntBE(0, sizeBytes), sha256 };
}

export function metaFor(
  position: SnapshotPosition,
  payload: { readonly payloadBytes: number; readonly sha256: string },
): SnapshotMeta {
  const { index, term, config, chain, generation } = position;
  const { payloadBytes, sha256 } = payload;
  const id = snapshotId(index, term, sha256);
  return { id, index, term, chain, generation, config, sizeBytes: payloadBytes, sha256 };
}
