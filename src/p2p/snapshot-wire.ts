/**
 * A snapshot on its own stream: hello, offer, then chunks with CRC-32 one way and acknowledged offsets the
 * other, then an end that the receiver answers only after it verified the whole.
 *   to the receiver:  offer = Raft frame of one Snapshot message | chunk = 1, u32 CRC-32, bytes | end = 2
 *   to the sender:    at = 1, u48 offset (resume point, then progress) | done = 2 | refused = 3
 */
import { crc32 } from "node:zlib";
import { type Message, type NodeId, type SnapshotMeta } from "../consensus/core/types.ts";
import { decodeMessages, encodeMessages, generationOf } from "../consensus/driver/wire.ts";

export const chunkBytes = 256 * 1024;
/** Unacknowledged bytes: more would delay heartbeats on the same connection, less would waste it. */
export const windowBytes = 512 * 1024;
export const maxSnapshotFrame = chunkBytes + 64 * 1024;

const Tag = { at: 1, chunk: 1, done: 2, end: 2, refused: 3 } as const;

/** A snapshot as somebody offers it, in the generation (its id) in which that is meant. */
export interface SnapshotOffer {
  readonly meta: SnapshotMeta;
  readonly generation: string;
}

export function encodeOffer(from: NodeId, to: NodeId, offer: SnapshotOffer): Uint8Array {
  const { meta, generation } = offer;
  return encodeMessages([{ type: "Snapshot", from, to, term: meta.term, meta }], generation);
}

/** The offered snapshot, or null when the frame is malformed or lies about its sender. */
export function decodeOffer(frame: Uint8Array, from: NodeId): SnapshotOffer | null {
  const messages: readonly Message[] | null = decodeMessages(frame);
  const [message] = messages ?? [];
  if (messages?.length !== 1 || message?.type !== "Snapshot") return null;
  return message.from === from ? { meta: message.meta, generation: generationOf(frame) } : null;
}

export function encodeChunk(bytes: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(5 + bytes.byteLength);
  frame.writeUInt8(Tag.chunk, 0);
  frame.writeUInt32BE(crc32(bytes), 1);
  frame.set(bytes, 5);
  return frame;
}

export const endFrame: Uint8Array = Buffer.of(Tag.end);

export type SenderFrame =
  | { readonly kind: "chunk"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

/** Null when the frame is malformed or its checksum is wrong. */
export function decodeSenderFrame(frame: Uint8Array): SenderFrame | null {
  if (frame.byteLength === 1 && frame[0] === Tag.end) return { kind: "end" };
  if (frame.byteLength < 6 || frame[0] !== Tag.chunk) return null;
  const bytes = frame.subarray(5);
  const expected = Buffer.from(frame.buffer, frame.byteOffset, 5).readUInt32BE(1);
  return crc32(bytes) === expected ? { kind: "chunk", bytes } : null;
}

export function encodeAt(offset: number): Uint8Array {
  const frame = Buffer.allocUnsafe(7);
  frame.writeUInt8(Tag.at, 0);
  frame.writeUIntBE(offset, 1, 6);
  return frame;
}

export const doneFrame: Uint8Array = Buffer.of(Tag.done);
export const refusedFrame: Uint8Array = Buffer.of(Tag.refused);

export type ReceiverFrame =
  | { readonly kind: "at"; readonly offset: number }
  | { readonly kind: "done" }
  | { readonly kind: "refused" };

export function decodeReceiverFrame(frame: Uint8Array): ReceiverFrame | null {
  if (frame.byteLength === 7 && frame[0] === Tag.at) {
    const offset = Buffer.from(frame.buffer, frame.byteOffset, 7).readUIntBE(1, 6);
    return { kind: "at", offset };
  }
  if (frame.byteLength !== 1) return null;
  if (frame[0] === Tag.done) return { kind: "done" };
  return frame[0] === Tag.refused ? { kind: "refused" } : null;
}
