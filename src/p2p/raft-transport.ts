/**
 * Raft's messages between agents. Appends go on one stream, all that keeps a leader alive (votes, heartbeats,
 * their answers, small acknowledgements of reads) on another, so that a megabyte of entries never delays a
 * heartbeat. A message that claims another sender than the connection proves is dropped and counted.
 */
import { Background } from "../base/background.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";
import { type Message, type NodeId, type SnapshotMeta } from "../consensus/core/types.ts";
import { type RaftTransport, type SnapshotSink } from "../consensus/driver/ports.ts";
import {
  decodeMessages,
  encodeMessages,
  generationOf,
  maxFrameBytes,
} from "../consensus/driver/wire.ts";
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";
import { batchMessages } from "./raft-batch.ts";
import { type MeshContext } from "./mesh-context.ts";
import { PeerStream } from "./peer-stream.ts";
import { Protocol } from "./protocols.ts";
import { StreamServer } from "./serve-streams.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import { sendSnapshot } from "./snapshot-sender.ts";

const lanes = [
  { protocol: Protocol.raft, prefix: 4, maxFrameBytes, maxQueueBytes: 16 * 1024 * 1024 },
  { protocol: Protocol.raftBeat, prefix: 4, maxFrameBytes, maxQueueBytes: 1024 * 1024 },
] as const;

interface PeerLanes {
  readonly appends: PeerStream;
  readonly beats: PeerStream;
}

export interface RaftTransportCounters {
  readonly forged: number;
  readonly malformed: number;
  readonly dropped: number;
  /** Frames and snapshots of another generation. */
  readonly foreign: number;
}

export class MeshRaftTransport implements RaftTransport, Service {
  readonly name = "raft-transport";
  readonly #context: MeshContext;
  readonly #background: Background;
  readonly #servers: readonly StreamServer[];
  readonly #snapshots: SnapshotReceiver;
  readonly #peers = new Map<PeerId, PeerLanes>();
  readonly #unsubscribe: () => void;
  #receive: (from: NodeId, messages: readonly Message[]) => void = () => {};
  #notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void = () => {};
  #foreign: (from: NodeId, id: string) => void = () => {};
  /** Until the driver says in which it is. */
  #generation = "0".repeat(32);
  #forged = 0;
  #foreigners = 0;
  #malformed = 0;
  #dropped = 0;
  #stopped = false;

  constructor(context: MeshContext) {
    this.#context = context;
    this.#background = new Background(context.logger);
    this.#servers = lanes.map((lane) => {
      return new StreamServer(lane, context, (peer) => ({
        frame: (frame) => this.#incoming(peer, frame),
        closed: () => {},
      }));
    });
    this.#snapshots = new SnapshotReceiver(context);
    this.#unsubscribe = context.host.onConnection((peer, state) => {
      if (state === "open") this.#contact(peer);
      else if (state === "closed") this.#notify(peer, false, "closed");
      else this.#notify(peer, false, "timeout");
    });
  }

  start(signal: AbortSignal): Promise<void> {
    return Promise.resolve(signal.throwIfAborted());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#context.host.keep(this.name, []);
    for (const server of this.#servers) server.closeAll();
    await Promise.all([...this.#peers.values()].map(closeLanes));
    this.#peers.clear();
    await this.#snapshots.close();
    await this.#background.close();
  }

  counters(): RaftTransportCounters {
    const frames = { malformed: this.#malformed, foreign: this.#foreigners };
    return { forged: this.#forged, dropped: this.#dropped, ...frames };
  }

  send(to: NodeId, messages: readonly Message[]): boolean {
    const peer = asPeerId(to);
    if (this.#stopped || peer === this.#context.host.id) return false;
    const { appends, beats } = this.#peers.get(peer) ?? this.#add(peer);
    let queued = true;
    const bulky = messages.filter((message) => message.type === "Append");
    const small = messages.filter((message) => message.type !== "Append");
    for (const batch of batchMessages(small)) queued = this.#queue(beats, batch) && queued;
    for (const batch of batchMessages(bulky)) queued = this.#queue(appends, batch) && queued;
    return queued;
  }

  onMessages(receive: (from: NodeId, messages: readonly Message[]) => void): void {
    this.#receive = receive;
  }

  onPeer(notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void): void {
    this.#notify = notify;
  }

  onSnapshot(accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>): void {
    this.#snapshots.onSnapshot((from, { meta, generation }) =>
      this.#isForeign(from, generation) ? Promise.resolve(null) : accept(from, meta),
    );
  }

  setGeneration(id: string): void {
    this.#generation = id;
  }

  onForeignGeneration(notify: (from: NodeId, id: string) => void): void {
    this.#foreign = notify;
  }

  /** Keeps streams to these peers open; those to others close. */
  setPeers(peers: readonly NodeId[]): void {
    if (this.#stopped) return;
    const wanted = new Set(peers.map(asPeerId));
    wanted.delete(this.#context.host.id);
    this.#context.host.keep(this.name, [...wanted]);
    for (const peer of wanted) {
      const { appends, beats } = this.#peers.get(peer) ?? this.#add(peer);
      appends.hold(true);
      beats.hold(true);
    }
    for (const [peer, streams] of this.#peers) {
      if (wanted.has(peer)) continue;
      this.#peers.delete(peer);
      this.#background.run("close raft streams", () => closeLanes(streams));
    }
  }

  async sendSnapshot(
    to: NodeId,
    meta: SnapshotMeta,
    read: (offset: number) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#stopped) return false;
    const stop = AbortSignal.any([signal, this.#background.signal]);
    const generation = this.#generation;
    const job = { to: asPeerId(to), meta, generation, read, signal: stop };
    return sendSnapshot(job, this.#context);
  }

  #queue(stream: PeerStream, messages: readonly Message[]): boolean {
    if (stream.send(encodeMessages(messages, this.#generation)) > 0) return true;
    this.#dropped += messages.length;
    return false;
  }

  #incoming(peer: PeerId, frame: Uint8Array): void {
    const messages = decodeMessages(frame);
    if (messages === null) {
      this.#malformed += 1;
      throw new AgentError(P2pCode.frameMalformed, "A frame of Raft messages is malformed.");
    }
    if (this.#isForeign(peer, generationOf(frame))) return;
    const honest = messages.filter(
      (message) => message.from === peer && message.to === this.#context.host.id,
    );
    this.#forged += messages.length - honest.length;
    if (honest.length > 0) this.#receive(peer, honest);
  }

  #isForeign(from: NodeId, generation: string): boolean {
    if (generation === this.#generation) return false;
    this.#foreigners += 1;
    this.#foreign(from, generation);
    return true;
  }

  #contact(peer: PeerId): void {
    const streams = this.#peers.get(peer);
    streams?.appends.hurry();
    streams?.beats.hurry();
  }

  #add(peer: PeerId): PeerLanes {
    const up = (): void => this.#notify(peer, true, "closed");
    const open = (lane: (typeof lanes)[number], opened: () => void): PeerStream =>
      new PeerStream({ ...lane, peer, collects: true }, this.#context, {
        frame: () => {
          throw new AgentError(P2pCode.frameMalformed, "This stream carries nothing back.");
        },
        opened,
      });
    const streams = { appends: open(lanes[0], () => {}), beats: open(lanes[1], up) };
    this.#peers.set(peer, streams);
    return streams;
  }
}

async function closeLanes({ appends, beats }: PeerLanes): Promise<void> {
  await Promise.all([appends.close(), beats.close()]);
}
