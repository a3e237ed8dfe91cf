/**
 * Takes snapshots that peers offer, one per peer at a time. What arrived stays with the sink when a transfer
 * breaks, so that the next one resumes. Nothing beyond the announced size is ever written.
 */
import { type Stream } from "@libp2p/interface";
import { Background } from "../base/background.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { OffenceLog } from "../gossip/driver/offence-log.ts";
import { type NodeId, type SnapshotMeta } from "../consensus/core/types.ts";
import { type SnapshotSink } from "../consensus/driver/ports.ts";
import { withDeadline } from "./deadline.ts";
import { P2pCode } from "./errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import { encodeAnswer, HelloAnswer, judgeHello } from "./hello.ts";
import { type MeshContext } from "./mesh-context.ts";
import { Protocol } from "./protocols.ts";
import {
  decodeOffer,
  decodeSenderFrame,
  doneFrame,
  encodeAt,
  maxSnapshotFrame,
  refusedFrame,
  type SnapshotOffer,
} from "./snapshot-wire.ts";

type Accept = (from: NodeId, offer: SnapshotOffer) => Promise<SnapshotSink | null>;

interface Running {
  readonly channel: FrameChannel;
  readonly done: Promise<void>;
}

const idleMs = 30_000;

export class SnapshotReceiver {
  readonly #context: MeshContext;
  readonly #background: Background;
  readonly #running = new Map<PeerId, Running>();
  readonly #endedLog = new OffenceLog({ periodMs: 10_000 });
  readonly #refusedLog = new OffenceLog({ periodMs: 10_000 });
  #accept: Accept = () => Promise.resolve(null);

  constructor(context: MeshContext) {
    this.#context = context;
    this.#background = new Background(context.logger);
    context.host.handle(Protocol.snapshot, (stream, peer) => this.#begin(stream, peer));
  }

  onSnapshot(accept: Accept): void {
    this.#accept = accept;
  }

  async close(): Promise<void> {
    const reason = new AgentError(P2pCode.hostStopped, "This agent stops.");
    for (const { channel } of this.#running.values()) channel.abort(reason);
    await this.#background.close();
  }

  #begin(stream: Stream, peer: PeerId): void {
    const channel = new FrameChannel(stream, { maxFrameBytes: maxSnapshotFrame, maxUnread: 4 });
    const earlier = this.#running.get(peer);
    earlier?.channel.abort(new AgentError(P2pCode.streamReplaced, "A newer transfer began."));
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const running = { channel, done };
    this.#running.set(peer, running);
    this.#background.run(`receive snapshot from ${peer}`, async () => {
      try {
        await earlier?.done; // two sinks on one file would mix their bytes
        await this.#serve(channel, peer);
        channel.end(this.#context.clock);
      } catch (error) {
        channel.abort(error instanceof Error ? error : new AgentError(P2pCode.peerLost, ""));
        const heard = this.#endedLog.take(peer, this.#context.clock.monotonicMs());
        const data = { error: errorMessage(error), ...heard };
        if (heard !== null) this.#context.logger.info(data, "snapshot transfer ended early");
      } finally {
        if (this.#running.get(peer) === running) this.#running.delete(peer);
        resolve();
      }
    });
  }

  async #serve(channel: FrameChannel, peer: PeerId): Promise<void> {
    const answer = judgeHello(await this.#read(channel), this.#context.clusterId());
    channel.write(encodeAnswer(answer));
    if (answer !== HelloAnswer.accepted) return;
    const offer = decodeOffer(await this.#read(channel), peer);
    const sink = offer === null ? null : await this.#accept(peer, offer);
    if (offer === null || sink === null) return channel.write(refusedFrame);
    try {
      await this.#receive(channel, offer.meta, sink);
    } catch (error) {
      await sink.abort();
      throw error;
    }
    try {
      await sink.finish();
    } catch (error) {
      channel.write(refusedFrame); // what arrived is not what was announced: resuming cannot mend it
      const heard = this.#refusedLog.take(peer, this.#context.clock.monotonicMs());
      const data = { error: errorMessage(error), ...heard };
      if (heard !== null) this.#context.logger.warn(data, "snapshot refused");
      return;
    }
    channel.write(doneFrame);
  }

  /** Resolves when the sender says that all was sent. */
  async #receive(channel: FrameChannel, meta: SnapshotMeta, sink: SnapshotSink): Promise<void> {
    let offset = sink.offset;
    channel.write(encodeAt(offset));
    for (;;) {
      const frame = decodeSenderFrame(await this.#read(channel));
      if (frame?.kind === "end" && offset === meta.sizeBytes) return;
      if (frame?.kind !== "chunk" || offset + frame.bytes.byteLength > meta.sizeBytes) {
        throw new AgentError(
          P2pCode.frameMalformed,
          `The snapshot is malformed at byte ${offset}.`,
        );
      }
      await sink.write(frame.bytes);
      offset += frame.bytes.byteLength;
      channel.write(encodeAt(offset));
    }
  }

  #read(channel: FrameChannel): Promise<Uint8Array> {
    const limit = { clock: this.#context.clock, ms: idleMs, signal: this.#background.signal };
    return withDeadline(limit, (signal) => channel.read(signal));
  }
}
