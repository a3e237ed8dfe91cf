/** Sizes on the wire, so that the core can fill frames without encoding them. Bytes. */
import {
  type Message,
  type SignedEvent,
  type SignedRecord,
  type SyncAnswer,
  type SyncRequest,
} from "./types.ts";

/** Protocol version and kind of content. */
export const frameHeaderBytes = 1;
export const accusationBytes = 21;
export const digestEntryBytes = 13;

/** Length, body, signature. */
export function recordBytes(record: SignedRecord): number {
  return 2 + record.bytes.length + record.signature.length;
}

/** Length, body, signature. */
export function eventBytes(event: SignedEvent): number {
  return 2 + event.bytes.length + event.signature.length;
}

export function messageBytes(message: Message): number {
  switch (message.kind) {
    case "ping":
    case "pingRequest":
      return 13;
    case "ack":
    case "nack":
      return 5;
    case "suspect":
    case "failed":
      return accusationBytes;
    case "alive":
      return 1 + recordBytes(message.record);
    case "event":
      return 1 + eventBytes(message.event);
  }
}

export function syncRequestBytes(request: SyncRequest): number {
  if (request.kind === "compare") return 2 + 8 + 10 + recordBytes(request.record);
  const wants = 8 * (request.wantMembers.length + request.wantKeys.length);
  return 18 + wants + listBytes(request) + eventsBytes(request.events);
}

export function syncAnswerBytes(answer: SyncAnswer): number {
  switch (answer.kind) {
    case "same":
      return 2;
    case "digest":
      return (
        7 +
        digestEntryBytes * (answer.digest.members.length + answer.digest.unknown.length) +
        (answer.told === null ? 0 : 10 + eventsBytes(answer.told.events))
      );
    case "events":
      return 12 + eventsBytes(answer.told.events);
    case "busy":
      return 6 + answer.records.reduce((sum, record) => sum + recordBytes(record), 0);
    case "records":
      return 10 + listBytes(answer);
  }
}

function eventsBytes(events: readonly SignedEvent[]): number {
  return events.reduce((sum, event) => sum + eventBytes(event), 0);
}

function listBytes(list: {
  readonly records: readonly SignedRecord[];
  readonly accusations: readonly unknown[];
}): number {
  const records = list.records.reduce((sum, record) => sum + recordBytes(record), 0);
  return records + accusationBytes * list.accusations.length;
}
