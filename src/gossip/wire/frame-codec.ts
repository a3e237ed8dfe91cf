/**
 * Frames: version 1, then messages of one kind byte each (big-endian): ping 1, ack 2, ping request 3, nack 4,
 * suspect 5, suspect after a refused re-dial 6, failed 7, alive 8, user event 9. Members are named by 8-byte keys.
 * Decoding is strict and never throws; messages about members that this agent does not know are skipped.
 */
import { type Directory } from "../core/directory.ts";
import { type Accusation, type Frame, type Ix, type Message } from "../core/types.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readEvent, writeEvent } from "./event-codec.ts";
import { readRecord, writeRecord } from "./record-codec.ts";

const version = 1;

const kinds = {
  ping: 1,
  ack: 2,
  pingRequest: 3,
  nack: 4,
  suspect: 5,
  refused: 6,
  failed: 7,
  alive: 8,
  event: 9,
} as const;

export function encodeFrame(directory: Directory, frame: Frame): Uint8Array {
  const writer = new ByteWriter(256);
  writer.u8(version);
  for (const message of frame) writeMessage(writer, directory, message);
  return writer.finish();
}

/** Null when `bytes` is not a well-formed frame. */
export function decodeFrame(directory: Directory, bytes: Uint8Array): Frame | null {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return null;
  const frame: Message[] = [];
  while (reader.ok && reader.remaining > 0) {
    const message = readMessage(reader, directory);
    if (message === null) return null;
    if (message !== "unknown") frame.push(message);
  }
  return reader.ok ? frame : null;
}

function writeMessage(writer: ByteWriter, directory: Directory, message: Message): void {
  switch (message.kind) {
    case "ping":
    case "pingRequest":
      writer.u8(kinds[message.kind]);
      writer.u32(message.seq);
      writeKey(writer, directory, message.target);
      return;
    case "ack":
    case "nack":
      writer.u8(kinds[message.kind]);
      writer.u32(message.seq);
      return;
    case "suspect":
    case "failed":
      writeAccusation(writer, directory, message);
      return;
    case "alive":
      writer.u8(kinds.alive);
      writeRecord(writer, message.record);
      return;
    case "event":
      writer.u8(kinds.event);
      writeEvent(writer, message.event);
      return;
  }
}

/** `unknown`: well-formed, but about a member that has no index here. */
function readMessage(reader: ByteReader, directory: Directory): Message | "unknown" | null {
  const kind = reader.u8();
  switch (kind) {
    case kinds.ping:
    case kinds.pingRequest: {
      const seq = reader.u32();
      const target = readKey(reader, directory);
      if (target < 0) return "unknown";
      return { kind: kind === kinds.ping ? "ping" : "pingRequest", seq, target };
    }
    case kinds.ack:
      return { kind: "ack", seq: reader.u32() };
    case kinds.nack:
      return { kind: "nack", seq: reader.u32() };
    case kinds.suspect:
    case kinds.refused:
    case kinds.failed:
      return readAccusationBody(reader, directory, kind) ?? "unknown";
    case kinds.alive: {
      const record = readRecord(reader);
      return record === null ? null : { kind: "alive", record };
    }
    case kinds.event: {
      const event = readEvent(reader);
      return event === null ? null : { kind: "event", event };
    }
    default:
      return null;
  }
}

export function writeAccusation(
  writer: ByteWriter,
  directory: Directory,
  accusation: Accusation,
): void {
  writer.u8(accusation.refused ? kinds.refused : kinds[accusation.kind]);
  writeKey(writer, directory, accusation.member);
  writer.u32(accusation.incarnation);
  writeKey(writer, directory, accusation.from);
}

/** Null and not ok when it is malformed; null and ok when it is about unknown members. */
export function readAccusation(reader: ByteReader, directory: Directory): Accusation | null {
  return readAccusationBody(reader, directory, reader.u8());
}

function readAccusationBody(
  reader: ByteReader,
  directory: Directory,
  kind: number,
): Accusation | null {
  const member = readKey(reader, directory);
  const incarnation = reader.u32();
  const from = readKey(reader, directory);
  if (kind < kinds.suspect || kind > kinds.failed || member < 0 || from < 0) return null;
  const refused = kind === kinds.refused;
  return {
    kind: kind === kinds.failed ? "failed" : "suspect",
    member,
    incarnation,
    from,
    refused,
  };
}

export function writeKey(writer: ByteWriter, directory: Directory, ix: Ix): void {
  writer.u32(directory.keyHigh(ix));
  writer.u32(directory.keyLow(ix));
}

function readKey(reader: ByteReader, directory: Directory): Ix {
  return directory.findKey(readKeyText(reader));
}

export function readKeyText(reader: ByteReader): string {
  const high = reader.u32().toString(16).padStart(8, "0");
  return high + reader.u32().toString(16).padStart(8, "0");
}
