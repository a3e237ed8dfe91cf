/** Sizes on the wire, so that the core can fill frames without encoding them. Bytes. */
import { type Message, type SignedRecord, type SyncAnswer, type SyncRequest } from "./types.ts";

/** Protocol version and kind of content. */
export const frameHeaderBytes = 1;
export const accusationBytes = 21;
export const digestEntryBytes = 13;

/** Length, body, signature. */
export function recordBytes(record: SignedRecord): number {
  return 2 + record.bytes.length + record.signature.length;
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
  }
}

export function syncRequestBytes(request: SyncRequest): number {
  if (request.kind === "compare") return 2 + 8 + recordBytes(request.record);
  const wants = 8 * (request.wantMembers.length + request.wantKeys.length);
  return 14 + wants + listBytes(request);
}

export function syncAnswerBytes(answer: SyncAnswer): number {
  switch (answer.kind) {
    case "same":
      return 2;
    case "digest":
      return 6 + digestEntryBytes * (answer.digest.members.length + answer.digest.unknown.length);
    case "busy":
      return 6 + answer.records.reduce((sum, record) => sum + recordBytes(record), 0);
    case "records":
      return 10 + listBytes(answer);
  }
}

function listBytes(list: {
  readonly records: readonly SignedRecord[];
  readonly accusations: readonly unknown[];
}): number {
  const records = list.records.reduce((sum, record) => sum + recordBytes(record), 0);
  return records + accusationBytes * list.accusations.length;
}
