/**
 * Both lanes of gossip behind one interface. Datagrams carry frames to members that take them in the usual way, streams
 * the rest: frames for all others, and those too large for a datagram. A frame that got no answer goes over the other
 * lane: a stream repeats what is lost ever more slowly, and holds up all that comes after it. Anti-entropy and
 * connections are the streams' alone.
 */
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import {
  type DatagramUse,
  type GossipTransport,
  type LaneName,
  type LaneStats,
  type Via,
} from "../gossip/ports.ts";
import { datagramFrameMax } from "./datagram-envelope.ts";
import { type DatagramLane } from "./datagram-lane.ts";
import { P2pCode } from "./errors.ts";
import { type ContactState } from "./host.ts";

type Lane = Pick<DatagramLane, "onFrame" | "reaches" | "send" | "setAddress" | "setPeer" | "stats">;

export class GossipLanes implements GossipTransport {
  readonly #own: DatagramUse;
  readonly #streams: GossipTransport;
  readonly #datagrams: Lane;
  /** Members whose usual lane are datagrams, as it is this agent's. */
  readonly #usualDatagrams = new Set<PeerId>();

  constructor(own: DatagramUse, streams: GossipTransport, datagrams: Lane) {
    this.#own = own;
    this.#streams = streams;
    this.#datagrams = datagrams;
  }

  sendFrame(to: PeerId, frame: Uint8Array, via: Via = "usual"): boolean {
    if (frame.byteLength === 0) {
      const text = "A gossip frame has at least one byte.";
      throw new AgentError(P2pCode.frameTooLarge, text, { bytes: 0 });
    }
    const [first, second] = this.#route(to, frame, via);
    const sent = this.#send(first, to, frame);
    return (second !== undefined && this.#send(second, to, frame)) || sent;
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

  setDatagrams(peer: PeerId, { use, bootId }: { use: DatagramUse; bootId: string }): void {
    this.#datagrams.setPeer(peer, use === "none" ? null : bootId);
    if (use === "usual" && this.#own === "usual") this.#usualDatagrams.add(peer);
    else this.#usualDatagrams.delete(peer);
  }

  lanes(): Readonly<Record<LaneName, LaneStats>> {
    return { stream: this.#streams.lanes().stream, udp: this.#datagrams.stats() };
  }

  want(peers: readonly PeerId[]): void {
    this.#streams.want(peers);
  }

  #route(to: PeerId, frame: Uint8Array, via: Via): readonly [LaneName, LaneName?] {
    const takesDatagram = frame.byteLength <= datagramFrameMax && this.#datagrams.reaches(to);
    if (!takesDatagram || via === "stream") return ["stream"];
    if (via === "both") return ["stream", "udp"];
    if (via === "udp") return ["udp"];
    return this.#usualDatagrams.has(to) === (via === "usual") ? ["udp"] : ["stream"];
  }

  #send(lane: LaneName, to: PeerId, frame: Uint8Array): boolean {
    return lane === "udp"
      ? this.#datagrams.send(to, frame)
      : this.#streams.sendFrame(to, frame, "stream");
  }
}
