/**
 * Effects collected since the last `Ready`. A message that promises durability goes to `after`: it leaves only when
 * everything written so far is on disk. All others may leave at once.
 */
import { assert } from "../../base/assert.ts";
import {
  type LoadRequest,
  type Message,
  type NodeId,
  type ReadResult,
  type SnapshotMeta,
} from "./types.ts";

export interface SnapshotStart {
  readonly to: NodeId;
  readonly meta: SnapshotMeta;
}

export class Outbox {
  messages: Message[] = [];
  after: Message[] = [];
  loads: LoadRequest[] = [];
  reads: ReadResult[] = [];
  snapshots: SnapshotStart[] = [];

  isEmpty(): boolean {
    return (
      this.messages.length === 0 &&
      this.after.length === 0 &&
      this.loads.length === 0 &&
      this.reads.length === 0 &&
      this.snapshots.length === 0
    );
  }

  send(message: Message): void {
    assert(message.from !== message.to, "a message to oneself waits for the disk");
    this.messages.push(message);
  }

  sendWhenDurable(message: Message): void {
    assert(message.to.length > 0, "a message has a receiver");
    this.after.push(message);
  }
}
