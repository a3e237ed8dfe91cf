/**
 * Body of a user event, the bytes that its signature covers: format 1, Lamport time 6, origin and name (length 1
 * each), payload (length 2). Name and payload have at most 512 bytes together: what is larger belongs elsewhere.
 */
import { asPeerId } from "../../base/ids.ts";
import { gossipError } from "../errors.ts";
import { type EventBody, type SignedEvent } from "../core/types.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { isIdText, isPlainText, signatureBytes } from "./record-codec.ts";

const format = 1;
export const eventContentBytesMax = 512;
const nameBytesMax = 64;
export const eventBodyBytesMax = 1 + 6 + 65 + 1 + 2 + eventContentBytesMax;
/** On the wire: length, the smallest body, signature. */
export const eventBytesMin = 2 + 1 + 6 + 2 + 2 + 2 + signatureBytes;

const encoder = new TextEncoder();

/** @throws AgentError GOSSIP_EVENT_INVALID (the name), GOSSIP_EVENT_TOO_LARGE */
export function checkEventContent(name: string, payload: Uint8Array): void {
  const nameBytes = encoder.encode(name).length;
  const bytes = nameBytes + payload.length;
  if (nameBytes === 0 || nameBytes > nameBytesMax || !isPlainText(name)) {
    const message = `Cannot tell an event named ${JSON.stringify(name)}: give a name of 1 to ${nameBytesMax} bytes without control characters`;
    throw gossipError("GOSSIP_EVENT_INVALID", message, { name });
  }
  if (bytes <= eventContentBytesMax) return;
  const message = `Cannot tell event "${name}": name and payload have ${bytes} bytes, at most ${eventContentBytesMax} travel by gossip`;
  throw gossipError("GOSSIP_EVENT_TOO_LARGE", message, { bytes, limit: eventContentBytesMax });
}

export function encodeEventBody(body: EventBody): Uint8Array {
  const writer = new ByteWriter(128 + body.payload.length);
  writer.u8(format);
  writer.u48(body.ltime);
  writer.text8(body.origin);
  writer.text8(body.name);
  writer.u16(body.payload.length);
  writer.bytes(body.payload);
  return writer.finish();
}

/** Null when the bytes are no event within the limits. */
export function decodeEventBody(bytes: Uint8Array): EventBody | null {
  if (bytes.length > eventBodyBytesMax) return null;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== format) return null;
  const ltime = reader.u48();
  const origin = asPeerId(reader.text(reader.u8()));
  const nameBytes = reader.u8();
  const name = reader.text(nameBytes);
  const payload = reader.bytes(reader.u16());
  if (!reader.isComplete || ltime === 0 || !isIdText(origin) || !isPlainText(name)) return null;
  if (nameBytes === 0 || nameBytes > nameBytesMax) return null;
  if (nameBytes + payload.length > eventContentBytesMax) return null;
  return { ltime, origin, name, payload };
}

/** Length 2, body, signature 64. */
export function writeEvent(writer: ByteWriter, event: SignedEvent): void {
  writer.u16(event.bytes.length);
  writer.bytes(event.bytes);
  writer.bytes(event.signature);
}

export function readEvent(reader: ByteReader): SignedEvent | null {
  const length = reader.u16();
  if (length > eventBodyBytesMax) return null;
  const bytes = reader.bytes(length);
  const signature = reader.bytes(signatureBytes);
  if (!reader.ok) return null;
  const body = decodeEventBody(bytes);
  return body === null ? null : { body, bytes, signature };
}
