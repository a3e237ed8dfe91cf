/**
 * Raft messages as one frame: u8 version | 16 bytes generation | u32 header length | msgpack rows | entry bodies.
 * The generation says in which history they hold: of another one they must not be looked at. Entries are not in
 * the rows but follow raw (entry-body.ts), so a megabyte of payload is copied, never parsed. Nothing a peer
 * sends is trusted: a frame with one bad field is refused whole.
 */
import { Packr } from "msgpackr";
import { type Message } from "../core/types.ts";
import { bodyBytes, writeBody } from "../storage/entry-body.ts";
import { Bodies, Fields } from "./wire-fields.ts";
import { messageOf, rowOf } from "./wire-rows.ts";

const version = 2;
const generationAt = 1;
const lengthAt = generationAt + 16;
const prefixBytes = lengthAt + 4;

/** Longest frame that is accepted. A sender keeps below it with `wireBytes`. */
export const maxFrameBytes = 4 * 1024 * 1024;
export const maxMessagesPerFrame = 4096;

/** Settings for peers' input: no records (they compile code), no types beyond JSON's and bytes. */
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  mapsAsObjects: true,
  copyBuffers: true,
});

/** @param generation id of the one that the messages belong to, 32 hexadecimal digits */
export function encodeMessages(messages: readonly Message[], generation: string): Uint8Array {
  const header = packr.pack(messages.map(rowOf));
  let total = prefixBytes + header.byteLength;
  for (const message of messages) {
    if (message.type === "Append") total += bodyBytes(message.entries);
  }
  const frame = Buffer.allocUnsafe(total);
  frame.writeUInt8(version, 0);
  frame.write(generation, generationAt, "hex");
  frame.writeUInt32BE(header.byteLength, lengthAt);
  frame.set(header, prefixBytes);
  let at = prefixBytes + header.byteLength;
  for (const message of messages) {
    if (message.type === "Append") at = writeBody(frame, at, message.entries);
  }
  return frame;
}

/** Id of the generation that a frame's messages belong to; "" when it is too short to name one. */
export function generationOf(bytes: Uint8Array): string {
  if (bytes.byteLength < prefixBytes) return "";
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return frame.toString("hex", generationAt, lengthAt);
}

/** The messages of a frame, or null when it is malformed. Entries own their bytes: `bytes` may be reused. */
export function decodeMessages(bytes: Uint8Array): readonly Message[] | null {
  if (bytes.byteLength < prefixBytes || bytes.byteLength > maxFrameBytes) return null;
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerEnd = prefixBytes + frame.readUInt32BE(lengthAt);
  if (frame.readUInt8(0) !== version || headerEnd > frame.byteLength) return null;
  const rows = unpackRows(frame.subarray(prefixBytes, headerEnd));
  if (rows === null) return null;
  const bodies = new Bodies(frame.subarray(headerEnd));
  const messages: Message[] = [];
  for (const row of rows) {
    const message = messageOf(new Fields(row, bodies));
    if (message === null) return null;
    messages.push(message);
  }
  return bodies.exhausted ? messages : null;
}

/** What `message` adds to a frame: an estimate that is never too low. */
export function wireBytes(message: Message): number {
  if (message.type === "Append") return 512 + bodyBytes(message.entries);
  if (message.type !== "Snapshot") return 512;
  const { sets, standbys, standbysNext, observers, lost } = message.meta.config;
  const ids = [...sets, standbys, standbysNext, observers, lost].flat();
  return 1024 + ids.length * 130;
}

function unpackRows(header: Buffer): readonly unknown[] | null {
  try {
    const rows: unknown = packr.unpack(header);
    return Array.isArray(rows) && rows.length <= maxMessagesPerFrame ? rows : null;
  } catch {
    return null; // The decoder throws on truncated, trailing and too deeply nested input.
  }
}
