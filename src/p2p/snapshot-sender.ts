/**
 * Sends one snapshot. A broken connection costs only what was not yet acknowledged: the next attempt goes on
 * where the receiver is. Attempts end when one makes no progress, or the receiver refuses.
 */
import { delay, type Clock } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type SnapshotMeta } from "../consensus/core/types.ts";
import { withDeadline } from "./deadline.ts";
import { FrameChannel } from "./frame-channel.ts";
import { decodeAnswer, encodeHello, HelloAnswer } from "./hello.ts";
import { type MeshContext } from "./mesh-context.ts";
import { Pace } from "./pace.ts";
import { Protocol } from "./protocols.ts";
import {
  chunkBytes,
  decodeReceiverFrame,
  encodeChunk,
  encodeOffer,
  endFrame,
  windowBytes,
} from "./snapshot-wire.ts";

export interface SnapshotSending {
  readonly to: PeerId;
  readonly meta: SnapshotMeta;
  /** Id of the generation in which it is sent. */
  readonly generation: string;
  readonly read: (offset: number) => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

/** The receiver answers every chunk; verifying at the end reads the whole snapshot once more. */
const answerMs = 30_000;
const verifyMs = 120_000;
/** Of each transfer: the link is there for the log first, and so is the disk of who receives. */
const bytesPerSecond = 16 * 1024 * 1024;
const maxBarren = 4;
const firstPauseMs = 50;

/** Resolves true when the peer has the snapshot whole and verified. */
export async function sendSnapshot(job: SnapshotSending, context: MeshContext): Promise<boolean> {
  let best = -1;
  let barren = 0;
  while (!job.signal.aborted && barren < maxBarren) {
    const transfer = new Transfer(job, context);
    try {
      return await transfer.run();
    } catch (error) {
      barren = transfer.acknowledged > best ? 0 : barren + 1;
      best = Math.max(best, transfer.acknowledged);
      const data = {
        peer: job.to,
        snapshot: job.meta.id,
        offset: best,
        error: errorMessage(error),
      };
      context.logger.info(data, "snapshot transfer broke");
      if (barren < maxBarren) await pause(context.clock, firstPauseMs * 3 ** barren, job.signal);
    }
  }
  return false;
}

/** Waits, or not: an aborted job ends at the loop's next look. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await delay(clock, ms, signal).catch(() => {});
}

class Transfer {
  readonly #job: SnapshotSending;
  readonly #context: MeshContext;
  acknowledged = -1;

  constructor(job: SnapshotSending, context: MeshContext) {
    this.#job = job;
    this.#context = context;
  }

  /** False when the receiver refused. @throws when the connection broke */
  async run(): Promise<boolean> {
    const stream = await this.#within(answerMs, (signal) => {
      return this.#context.host.openStream(this.#job.to, Protocol.snapshot, signal);
    });
    const channel = new FrameChannel(stream, { maxFrameBytes: 64, maxUnread: 16 });
    try {
      return (await this.#offer(channel)) && (await this.#stream(channel));
    } finally {
      channel.end(this.#context.clock);
    }
  }

  async #offer(channel: FrameChannel): Promise<boolean> {
    const clusterId = this.#context.clusterId();
    if (clusterId === null) return false;
    channel.write(encodeHello(clusterId));
    const answer = decodeAnswer(await this.#read(channel, answerMs));
    if (answer !== HelloAnswer.accepted) return false;
    const { to, meta, generation } = this.#job;
    channel.write(encodeOffer(this.#context.host.id, to, { meta, generation }));
    return this.#progress(channel, answerMs);
  }

  async #stream(channel: FrameChannel): Promise<boolean> {
    const { meta, read, signal } = this.#job;
    const { clock } = this.#context;
    const pace = new Pace(clock, bytesPerSecond);
    let sent = this.acknowledged;
    for await (const piece of read(sent)) {
      for (let at = 0; at < piece.byteLength; at += chunkBytes) {
        signal.throwIfAborted();
        const chunk = piece.subarray(at, at + chunkBytes);
        channel.write(encodeChunk(chunk));
        sent += chunk.byteLength;
        while (sent - this.acknowledged > windowBytes) {
          if (!(await this.#progress(channel, answerMs))) return false;
        }
        const waitMs = pace.take(chunk.byteLength);
        if (waitMs > 0) await delay(clock, waitMs, signal);
      }
    }
    if (sent !== meta.sizeBytes) return false;
    channel.write(endFrame);
    for (;;) {
      const frame = decodeReceiverFrame(await this.#read(channel, verifyMs));
      if (frame?.kind !== "at") return frame?.kind === "done";
    }
  }

  /** Waits for the receiver to say how far it is; false when it refuses or talks nonsense. */
  async #progress(channel: FrameChannel, ms: number): Promise<boolean> {
    const frame = decodeReceiverFrame(await this.#read(channel, ms));
    if (frame?.kind !== "at" || frame.offset < this.acknowledged) return false;
    if (frame.offset > this.#job.meta.sizeBytes) return false;
    this.acknowledged = frame.offset;
    return true;
  }

  #read(channel: FrameChannel, ms: number): Promise<Uint8Array> {
    return this.#within(ms, (signal) => channel.read(signal));
  }

  #within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline({ clock: this.#context.clock, ms, signal: this.#job.signal }, work);
  }
}
