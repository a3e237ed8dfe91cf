/** Splits messages into frames that the receiver accepts, in order and as few as possible. */
import { type Message } from "../consensus/core/types.ts";
import { maxFrameBytes, maxMessagesPerFrame, wireBytes } from "../consensus/driver/wire.ts";

export function batchMessages(messages: readonly Message[]): readonly (readonly Message[])[] {
  const batches: Message[][] = [];
  let batch: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = wireBytes(message);
    const full = bytes + size > maxFrameBytes || batch.length === maxMessagesPerFrame;
    if (full && batch.length > 0) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
