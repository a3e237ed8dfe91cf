/**
 * Requests and answers of anti-entropy. Version 1, kind 1, then lists with 4-byte counts. A digest entry is
 * key 8, incarnation 4, status 1; members without an index here stay as keys, to be asked for.
 */
import { type Directory } from "../core/directory.ts";
import {
  type Accusation,
  type Digest,
  type EventsTold,
  type SignedEvent,
  type SignedRecord,
  Status,
  type SyncAnswer,
  type SyncRequest,
} from "../core/types.ts";
import { syncEventsMax } from "../core/user-events.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readAccusation, readKeyText, writeAccusation, writeKey } from "./frame-codec.ts";
import { eventBytesMin, readEvent, writeEvent } from "./event-codec.ts";
import { readRecord, writeRecord } from "./record-codec.ts";

const version = 1;
const requestKinds = { compare: 1, exchange: 2 } as const;
const answerKinds = { same: 1, digest: 2, busy: 3, records: 4, events: 5 } as const;
/** Largest request or answer that is looked at. */
export const syncBytesMax = 4 * 1024 * 1024;
const recordBytesMin = 2 + 26 + 64;

export function encodeSyncRequest(directory: Directory, request: SyncRequest): Uint8Array {
  const writer = new ByteWriter(512);
  writer.u8(version);
  writer.u8(requestKinds[request.kind]);
  if (request.kind === "compare") {
    writer.u32(request.hash.high);
    writer.u32(request.hash.low);
    writer.u48(request.events.clock);
    writer.u32(request.events.hash);
    writeRecord(writer, request.record);
    return writer.finish();
  }
  writer.u32(request.wantMembers.length + request.wantKeys.length);
  for (const ix of request.wantMembers) writeKey(writer, directory, ix);
  for (const key of request.wantKeys) {
    writer.u32(Number.parseInt(key.slice(0, 8), 16));
    writer.u32(Number.parseInt(key.slice(8), 16));
  }
  writeRecords(writer, request.records);
  writeAccusations(writer, directory, request.accusations);
  writeEvents(writer, request.events);
  return writer.finish();
}

export function decodeSyncRequest(directory: Directory, bytes: Uint8Array): SyncRequest | null {
  if (bytes.length > syncBytesMax) return null;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return null;
  const kind = reader.u8();
  if (kind === requestKinds.compare) {
    const hash = { high: reader.u32(), low: reader.u32() };
    const events = { clock: reader.u48(), hash: reader.u32() };
    const record = readRecord(reader);
    return record === null || !reader.isComplete ? null : { kind: "compare", hash, events, record };
  }
  if (kind !== requestKinds.exchange) return null;
  const wantMembers: number[] = [];
  for (let left = reader.count(8); left > 0; left -= 1) {
    const ix = directory.findKey(readKeyText(reader));
    if (ix >= 0) wantMembers.push(ix);
  }
  const records = readRecords(reader);
  const accusations = readAccusations(reader, directory);
  const events = readEvents(reader);
  if (records === null || events === null || !reader.isComplete) return null;
  return { kind: "exchange", wantMembers, wantKeys: [], records, accusations, events };
}

export function encodeSyncAnswer(directory: Directory, answer: SyncAnswer): Uint8Array {
  const writer = new ByteWriter(512);
  writer.u8(version);
  writer.u8(answerKinds[answer.kind]);
  if (answer.kind === "digest") {
    writeDigest(writer, directory, answer.digest);
    writer.u8(answer.told === null ? 0 : 1);
    if (answer.told !== null) writeTold(writer, answer.told);
  }
  if (answer.kind === "events") writeTold(writer, answer.told);
  if (answer.kind === "busy" || answer.kind === "records") writeRecords(writer, answer.records);
  if (answer.kind === "records") writeAccusations(writer, directory, answer.accusations);
  return writer.finish();
}

export function decodeSyncAnswer(directory: Directory, bytes: Uint8Array): SyncAnswer | null {
  if (bytes.length > syncBytesMax) return null;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return null;
  const answer = readAnswer(reader, directory);
  return reader.isComplete ? answer : null;
}

function readAnswer(reader: ByteReader, directory: Directory): SyncAnswer | null {
  const kind = reader.u8();
  if (kind === answerKinds.same) return { kind: "same" };
  if (kind === answerKinds.digest) {
    const digest = readDigest(reader, directory);
    if (digest === null) return null;
    if (reader.u8() === 0) return { kind: "digest", digest, told: null };
    const told = readTold(reader);
    return told === null ? null : { kind: "digest", digest, told };
  }
  if (kind === answerKinds.events) {
    const told = readTold(reader);
    return told === null ? null : { kind: "events", told };
  }
  if (kind !== answerKinds.busy && kind !== answerKinds.records) return null;
  const records = readRecords(reader);
  if (records === null) return null;
  if (kind === answerKinds.busy) return { kind: "busy", records };
  return { kind: "records", records, accusations: readAccusations(reader, directory) };
}

function writeDigest(writer: ByteWriter, directory: Directory, digest: Digest): void {
  writer.u32(digest.members.length);
  digest.members.forEach((ix, at) => {
    writeKey(writer, directory, ix);
    writer.u32(digest.incarnations[at] ?? 0);
    writer.u8(digest.states[at] ?? Status.none);
  });
}

function readDigest(reader: ByteReader, directory: Directory): Digest | null {
  const members: number[] = [];
  const incarnations: number[] = [];
  const states: number[] = [];
  const unknown: string[] = [];
  for (let left = reader.count(13); left > 0; left -= 1) {
    const key = readKeyText(reader);
    const incarnation = reader.u32();
    const status = reader.u8();
    if (status < Status.alive || status > Status.left) return null;
    const ix = directory.findKey(key);
    if (ix < 0) {
      if (status <= Status.suspect) unknown.push(key);
      continue;
    }
    members.push(ix);
    incarnations.push(incarnation);
    states.push(status);
  }
  return {
    members: Int32Array.from(members),
    incarnations: Uint32Array.from(incarnations),
    states: Uint8Array.from(states),
    unknown,
  };
}

function writeRecords(writer: ByteWriter, records: readonly SignedRecord[]): void {
  writer.u32(records.length);
  for (const record of records) writeRecord(writer, record);
}

function readRecords(reader: ByteReader): SignedRecord[] | null {
  const records: SignedRecord[] = [];
  for (let left = reader.count(recordBytesMin); left > 0; left -= 1) {
    const record = readRecord(reader);
    if (record === null) return null;
    records.push(record);
  }
  return records;
}

function writeTold(writer: ByteWriter, told: EventsTold): void {
  writer.u48(told.clock);
  writeEvents(writer, told.events);
}

function readTold(reader: ByteReader): EventsTold | null {
  const clock = reader.u48();
  const events = readEvents(reader);
  return events === null ? null : { clock, events };
}

function writeEvents(writer: ByteWriter, events: readonly SignedEvent[]): void {
  writer.u32(events.length);
  for (const event of events) writeEvent(writer, event);
}

/** More than a sync ever carries is malformed. */
function readEvents(reader: ByteReader): SignedEvent[] | null {
  const events: SignedEvent[] = [];
  const count = reader.count(eventBytesMin);
  if (count > syncEventsMax) return null;
  for (let left = count; left > 0; left -= 1) {
    const event = readEvent(reader);
    if (event === null) return null;
    events.push(event);
  }
  return events;
}

function writeAccusations(
  writer: ByteWriter,
  directory: Directory,
  accusations: readonly Accusation[],
): void {
  writer.u32(accusations.length);
  for (const accusation of accusations) writeAccusation(writer, directory, accusation);
}

function readAccusations(reader: ByteReader, directory: Directory): Accusation[] {
  const accusations: Accusation[] = [];
  for (let left = reader.count(21); left > 0; left -= 1) {
    const accusation = readAccusation(reader, directory);
    if (accusation !== null) accusations.push(accusation);
  }
  return accusations;
}
