/**
 * Body of a self-record, the bytes that its signature covers: format 1, incarnation 4, boot id 16, protocol
 * min 1 and max 1, flags 1, peer id, name, address (length 1 each), tags (count 1; key length 1, value 2).
 */
import { asPeerId } from "../../base/ids.ts";
import { gossipError } from "../errors.ts";
import { type SelfRecord, type SignedRecord } from "../core/types.ts";
import { type DatagramUse } from "../ports.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

export const signatureBytes = 64;
const format = 1;
const flagLeaving = 1;
const flagDegraded = 2;
/** An agent that knows the first flag only sends datagrams to those that have it, and takes none from others. */
const flagDatagrams = 4;
const flagFallbackDatagrams = 8;
const datagramFlags = { none: 0, fallback: flagFallbackDatagrams, usual: flagDatagrams } as const;
const idBytesMax = 64;
const nameBytesMax = 63;
const addressBytesMax = 255;
const tagsBytesMax = 512;
export const recordBodyBytesMax = 26 + 64 + 64 + 256 + 1 + tagsBytesMax;

const encoder = new TextEncoder();

/** @throws AgentError GOSSIP_RECORD_TOO_LARGE */
export function encodeRecordBody(body: SelfRecord): Uint8Array {
  limit("name", body.name, nameBytesMax);
  limit("peer id", body.id, idBytesMax);
  limit("address", body.address, addressBytesMax);
  const writer = new ByteWriter(256);
  writer.u8(format);
  writer.u32(body.incarnation);
  for (let at = 0; at < 32; at += 2) writer.u8(Number.parseInt(body.bootId.slice(at, at + 2), 16));
  writer.u8(body.protocolMin);
  writer.u8(body.protocolMax);
  writer.u8(
    (body.leaving ? flagLeaving : 0) |
      (body.degraded ? flagDegraded : 0) |
      datagramFlags[body.datagrams],
  );
  writer.text8(body.id);
  writer.text8(body.name);
  writer.text8(body.address);
  writeTags(writer, body.tags);
  return writer.finish();
}

/** Null when the bytes are no record within the limits. */
export function decodeRecordBody(bytes: Uint8Array): SelfRecord | null {
  if (bytes.length > recordBodyBytesMax) return null;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== format) return null;
  const incarnation = reader.u32();
  let bootId = "";
  for (let at = 0; at < 16; at += 1) bootId += reader.u8().toString(16).padStart(2, "0");
  const protocolMin = reader.u8();
  const protocolMax = reader.u8();
  const flags = reader.u8();
  const id = asPeerId(reader.text(reader.u8()));
  const name = reader.text(reader.u8());
  const address = reader.text(reader.u8());
  const tags = readTags(reader);
  if (!reader.isComplete || tags === null) return null;
  if (!isIdText(id) || !isPlainText(name) || !isPlainText(address)) return null;
  const leaving = (flags & flagLeaving) !== 0;
  const degraded = (flags & flagDegraded) !== 0;
  const datagrams = datagramUse(flags);
  const flagged = { leaving, degraded, datagrams, protocolMin, protocolMax };
  return { id, incarnation, bootId, name, address, tags, ...flagged };
}

function datagramUse(flags: number): DatagramUse {
  if ((flags & flagDatagrams) !== 0) return "usual";
  return (flags & flagFallbackDatagrams) === 0 ? "none" : "fallback";
}

/** Length 2, body, signature 64. */
export function writeRecord(writer: ByteWriter, record: SignedRecord): void {
  writer.u16(record.bytes.length);
  writer.bytes(record.bytes);
  writer.bytes(record.signature);
}

export function readRecord(reader: ByteReader): SignedRecord | null {
  const length = reader.u16();
  if (length > recordBodyBytesMax) return null;
  const bytes = reader.bytes(length);
  const signature = reader.bytes(signatureBytes);
  if (!reader.ok) return null;
  const body = decodeRecordBody(bytes);
  return body === null ? null : { body, bytes, signature };
}

function writeTags(writer: ByteWriter, tags: Readonly<Record<string, string>>): void {
  const entries = Object.entries(tags);
  let total = 0;
  for (const [key, value] of entries) {
    total += 3 + encoder.encode(key).length + encoder.encode(value).length;
    limit("tag key", key, 255);
  }
  if (total > tagsBytesMax || entries.length > 255) {
    const message = `Cannot set tags of ${total} bytes: at most ${tagsBytesMax} travel with a member`;
    throw gossipError("GOSSIP_RECORD_TOO_LARGE", message, { bytes: total, limit: tagsBytesMax });
  }
  writer.u8(entries.length);
  for (const [key, value] of entries) {
    writer.text8(key);
    writer.text16(value);
  }
}

function readTags(reader: ByteReader): Readonly<Record<string, string>> | null {
  const count = reader.u8();
  const before = reader.remaining;
  const tags: [string, string][] = [];
  for (let at = 0; at < count && reader.ok; at += 1) {
    const key = reader.text(reader.u8());
    const value = reader.text(reader.u16());
    if (!isPlainText(key) || !isPlainText(value)) return null;
    tags.push([key, value]);
  }
  return before - reader.remaining > tagsBytesMax ? null : Object.fromEntries(tags);
}

function limit(what: string, text: string, bytesMax: number): void {
  const bytes = encoder.encode(text).length;
  if (bytes <= bytesMax && isPlainText(text)) return;
  const message =
    bytes > bytesMax
      ? `Cannot use ${what} "${text}": it has ${bytes} bytes, at most ${bytesMax} are allowed`
      : `Cannot use ${what} ${JSON.stringify(text)}: it contains control characters`;
  throw gossipError("GOSSIP_RECORD_TOO_LARGE", message, { what, bytes, limit: bytesMax });
}

export function isIdText(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

/** No control characters: names of members end up on terminals. */
export function isPlainText(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}
