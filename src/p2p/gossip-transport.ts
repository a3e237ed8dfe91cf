/**
 * Gossip's frames between agents: small, many, and worthless when late. A peer that does not read loses frames
 * beyond 64 KiB; nothing waits for it. Anti-entropy is an ordinary call.
 */
import { Background } from "../base/background.ts";
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";
import { type GossipTransport, type LaneName, type LaneStats } from "../gossip/ports.ts";
import { P2pCode } from "./errors.ts";
import { type ContactState } from "./host.ts";
import { idleLane, LaneMeter } from "./lane-meter.ts";
import { type MeshContext } from "./mesh-context.ts";
import { PeerStream } from "./peer-stream.ts";
import { type Rpc } from "./ports.ts";
import { Protocol } from "./protocols.ts";
import { isMalformed, StreamServer } from "./serve-streams.ts";

export const maxGossipFrame = 1350;
const lane = {
  protocol: Protocol.swim,
  prefix: 2,
  maxFrameBytes: maxGossipFrame,
  maxQueueBytes: 64 * 1024,
} as const;
const syncMethod = "gossip.sync";

export class MeshGossipTransport implements GossipTransport, Service {
  readonly name = "gossip-transport";
  readonly #context: MeshContext;
  readonly #rpc: Rpc;
  readonly #background: Background;
  readonly #server: StreamServer;
  readonly #streams = new Map<PeerId, PeerStream>();
  readonly #unsubscribe: readonly (() => void)[];
  #wanted: ReadonlySet<PeerId> = new Set();
  readonly #meter = new LaneMeter();
  #receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void = () => {};
  #notify: (peer: PeerId, state: ContactState) => void = () => {};

  constructor(context: MeshContext, rpc: Rpc) {
    this.#context = context;
    this.#rpc = rpc;
    this.#background = new Background(context.logger);
    this.#server = new StreamServer(lane, context, (peer) => ({
      frame: (frame) => {
        this.#meter.received(frame.byteLength);
        this.#receive(peer, frame, "stream");
      },
      closed: (error) => {
        if (isMalformed(error)) this.#meter.dropped("malformed");
      },
    }));
    this.#unsubscribe = [
      context.host.onConnection((peer, state) => this.#contact(peer, state)),
      context.host.onRest((unusedMs) => this.#rest(unusedMs)),
    ];
  }

  start(signal: AbortSignal): Promise<void> {
    return Promise.resolve(signal.throwIfAborted());
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#context.host.keep(this.name, []);
    this.#server.closeAll();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    await Promise.all(streams.map((stream) => stream.close()));
    await this.#background.close();
  }

  lanes(): Readonly<Record<LaneName, LaneStats>> {
    return { stream: this.#meter.stats(true), udp: idleLane };
  }

  sendFrame(to: PeerId, frame: Uint8Array): boolean {
    if (this.#background.signal.aborted || to === this.#context.host.id) return false;
    if (frame.byteLength === 0 || frame.byteLength > maxGossipFrame) {
      const text = `A gossip frame has ${frame.byteLength} bytes; the limit is ${maxGossipFrame}.`;
      throw new AgentError(P2pCode.frameTooLarge, text, { bytes: frame.byteLength });
    }
    if (this.#stream(to).send(frame) > 0) {
      this.#meter.sent(frame.byteLength);
      return true;
    }
    this.#meter.dropped("queueFull");
    return false;
  }

  onFrame(receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void): void {
    this.#receive = receive;
  }

  async sync(to: PeerId, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const answer = await this.#rpc.call(to, syncMethod, request, { timeoutMs, lane: "bulk" });
    if (answer instanceof Uint8Array) return answer;
    const text = `Peer "${to}" answered a gossip sync with something that is not bytes.`;
    throw new AgentError(P2pCode.frameMalformed, text, { peer: to });
  }

  onSync(answer: (from: PeerId, request: Uint8Array) => Uint8Array): void {
    this.#rpc.handle(syncMethod, (request, from) => {
      if (request instanceof Uint8Array) return Promise.resolve(answer(from, request));
      const text = "A gossip sync request is not bytes.";
      return Promise.reject(new AgentError(P2pCode.frameMalformed, text));
    });
  }

  onConnection(notify: (peer: PeerId, state: ContactState) => void): void {
    this.#notify = notify;
  }

  setAddress(peer: PeerId, address: string): void {
    this.#context.host.setAddress(peer, address);
  }

  setDatagrams(): void {
    // This lane is the one that everybody has.
  }

  want(peers: readonly PeerId[]): void {
    this.#wanted = new Set(peers);
    this.#context.host.keep(this.name, peers);
    for (const peer of [...this.#streams.keys()]) {
      if (!this.#wanted.has(peer) && !this.#context.host.isConnected(peer)) this.#drop(peer);
    }
  }

  #contact(peer: PeerId, state: ContactState): void {
    if (state === "open") this.#streams.get(peer)?.hurry();
    else if (!this.#wanted.has(peer)) this.#drop(peer);
    // That a connection is closed which nobody here keeps tells nothing: the peer does not need it any more.
    if (state === "closed" && !this.#context.host.keeps(peer)) return;
    this.#notify(peer, state);
  }

  /** Streams to members that are no neighbours close when they are not used any more. */
  #rest(unusedMs: number): void {
    for (const [peer, stream] of this.#streams) {
      if (stream.unusedMs >= unusedMs && !this.#context.host.keeps(peer)) this.#drop(peer);
    }
  }

  #stream(peer: PeerId): PeerStream {
    const existing = this.#streams.get(peer);
    if (existing !== undefined) return existing;
    const stream = new PeerStream({ ...lane, peer }, this.#context, {
      frame: () => {
        throw new AgentError(P2pCode.frameMalformed, "This stream carries nothing back.");
      },
    });
    this.#streams.set(peer, stream);
    return stream;
  }

  #drop(peer: PeerId): void {
    const stream = this.#streams.get(peer);
    this.#streams.delete(peer);
    if (stream === undefined) return;
    this.#background.run("close gossip stream", () => stream.close());
  }
}
