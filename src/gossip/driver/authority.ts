/** Self-records signed with the agent's key. The context keeps a signature from meaning anything elsewhere. */
import { type PeerId } from "../../base/ids.ts";
import { type RecordAuthority, type SelfRecord, type SignedRecord } from "../core/types.ts";
import { encodeRecordBody } from "../wire/record-codec.ts";

export interface Signer {
  /** Ed25519 with this agent's key: 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** True when `signature` over `bytes` was made with the key of `peer`. Must not throw. */
  verify(peer: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean;
}

const context = new TextEncoder().encode("muster gossip self-record 1\0");

export class SignatureAuthority implements RecordAuthority {
  readonly #signer: Signer;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  seal(body: SelfRecord): SignedRecord {
    const bytes = encodeRecordBody(body);
    return { body, bytes, signature: this.#signer.sign(inContext(bytes)) };
  }

  verify(record: SignedRecord): boolean {
    return this.#signer.verify(record.body.id, inContext(record.bytes), record.signature);
  }
}

function inContext(bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(context.length + bytes.length);
  message.set(context);
  message.set(bytes, context.length);
  return message;
}
