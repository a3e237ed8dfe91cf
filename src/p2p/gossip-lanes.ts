/**
 * Both lanes of gossip behind one interface. Datagrams carry frames to members that take them, streams the rest:
 * frames for all others, frames too large for a datagram, and probes that a datagram got no answer to. Anti-entropy
 * and connections are the streams' alone.
 */
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type GossipTransport, type LaneName, type LaneStats, type Via } from "../gossip/ports.ts";
import { datagramFrameMax } from "./datagram-envelope.ts";
import { type DatagramLane } from "./datagram-lane.ts";
import { P2pCode } from "./errors.ts";
import { type ContactState } from "./host.ts";

type Lane = Pick<DatagramLane, "onFrame" | "reaches" | "send" | "setAddress" | "setPeer" | "stats">;

export class GossipLanes implements GossipTransport {
  readonly #streams: GossipTransport;
  readonly #datagrams: Lane;

  constructor(streams: GossipTransport, datagrams: Lane) {
    this.#streams = streams;
    this.#datagrams = datagrams;
  }

  sendFrame(to: PeerId, frame: Uint8Array, via: Via = "usual"): boolean {
    if (frame.byteLength === 0) {
      const text = "A gossip frame has at least one byte.";
      throw new AgentError(P2pCode.frameTooLarge, text, { bytes: 0 });
    }
    const asDatagram = via === "usual" || via === "udp";
    const fits = frame.byteLength <= datagramFrameMax;
    if (asDatagram && fits && this.#datagrams.reaches(to)) return this.#datagrams.send(to, frame);
    return this.#streams.sendFrame(to, frame);
  }

  onFrame(receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void): void {
    this.#streams.onFrame(receive);
    this.#datagrams.onFrame((from, frame) => receive(from, frame, "udp"));
  }

  sync(to: PeerId, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#streams.sync(to, request, timeoutMs);
  }

  onSync(answer: (from: PeerId, request: Uint8Array) => Uint8Array): void {
    this.#streams.onSync(answer);
  }

  onConnection(notify: (peer: PeerId, state: ContactState) => void): void {
    this.#streams.onConnection(notify);
  }

  setAddress(peer: PeerId, address: string): void {
    this.#streams.setAddress(peer, address);
    this.#datagrams.setAddress(peer, address);
  }

  setDatagrams(peer: PeerId, bootId: string | null): void {
    this.#datagrams.setPeer(peer, bootId);
  }

  lanes(): Readonly<Record<LaneName, LaneStats>> {
    return { stream: this.#streams.lanes().stream, udp: this.#datagrams.stats() };
  }

  want(peers: readonly PeerId[]): void {
    this.#streams.want(peers);
  }
}
