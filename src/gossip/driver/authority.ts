/** Self-records and events signed with the agent's key. A context keeps a signature from meaning anything elsewhere. */
import { type PeerId } from "../../base/ids.ts";
import {
  type EventBody,
  type RecordAuthority,
  type SelfRecord,
  type SignedEvent,
  type SignedRecord,
} from "../core/types.ts";
import { encodeEventBody } from "../wire/event-codec.ts";
import { encodeRecordBody } from "../wire/record-codec.ts";

export interface Signer {
  /** Ed25519 with this agent's key: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** True when `signature` over `bytes` was made with the key of `peer`. Must not throw. */
  verify(peer: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean;
}

const encoder = new TextEncoder();
const recordContext = encoder.encode("muster gossip self-record 1\0");
const eventContext = encoder.encode("muster gossip user event 1\0");

export class SignatureAuthority implements RecordAuthority {
  readonly #signer: Signer;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  seal(body: SelfRecord): SignedRecord {
    const bytes = encodeRecordBody(body);
    return { body, bytes, signature: this.#signer.sign(inContext(recordContext, bytes)) };
  }

  verify(record: SignedRecord): boolean {
    const message = inContext(recordContext, record.bytes);
    return this.#signer.verify(record.body.id, message, record.signature);
  }

  sealEvent(body: EventBody): SignedEvent {
    const bytes = encodeEventBody(body);
    return { body, bytes, signature: this.#signer.sign(inContext(eventContext, bytes)) };
  }

  verifyEvent(event: SignedEvent): boolean {
    const message = inContext(eventContext, event.bytes);
    return this.#signer.verify(event.body.origin, message, event.signature);
  }
}

function inContext(context: Uint8Array, bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(context.length + bytes.length);
  message.set(context);
  message.set(bytes, context.length);
  return message;
}
