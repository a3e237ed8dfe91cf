/** Snapshots of random bytes, and a sink in memory that keeps what arrived across transfers. */
import { createHash } from "node:crypto";
import { type SnapshotMeta } from "../../src/consensus/core/types.ts";
import { history } from "./entries.ts";
import { type SnapshotSink } from "../../src/consensus/driver/ports.ts";

export function snapshotMeta(bytes: Uint8Array): SnapshotMeta {
  const none = { index: 7, sets: [["x"]], standbys: [], standbysNext: [], observers: [], lost: [] };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const config = { ...none, autoLeave: false };
  const position = { index: 7, term: 1, config, ...history };
  return { id: "snap-1", ...position, sizeBytes: bytes.byteLength, sha256 };
}

export class MemorySink implements SnapshotSink {
  readonly chunks: Buffer[];
  readonly meta: SnapshotMeta;
  state: "open" | "finished" | "aborted" = "open";

  constructor(meta: SnapshotMeta, chunks: Buffer[] = []) {
    this.meta = meta;
    this.chunks = chunks;
  }

  get offset(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.chunks.push(Buffer.from(bytes));
    return Promise.resolve();
  }

  finish(): Promise<void> {
    const sum = createHash("sha256").update(Buffer.concat(this.chunks)).digest("hex");
    if (sum !== this.meta.sha256) return Promise.reject(new Error("SNAPSHOT_CORRUPT"));
    this.state = "finished";
    return Promise.resolve();
  }

  abort(): Promise<void> {
    this.state = "aborted";
    return Promise.resolve();
  }
}

export async function* slices(bytes: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < bytes.byteLength; at += 100_000)
    yield bytes.subarray(at, at + 100_000);
}
