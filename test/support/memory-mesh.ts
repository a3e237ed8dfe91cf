/**
 * The mesh without a network: `Rpc`, `RaftTransport` and `GossipTransport` between agents of one process, with the
 * same promises as the real ones (the contract suites run on both). Everything passes through the wire codecs,
 * so no object is shared. Time comes from the given clock; a cut is silent, a crash closes connections.
 */
import { abortReason, type Clock } from "../../src/base/clock.ts";
import { AgentError } from "../../src/base/errors.ts";
import { asPeerId, type PeerId } from "../../src/base/ids.ts";
import { type Message, type NodeId, type SnapshotMeta } from "../../src/consensus/core/types.ts";
import { type RaftTransport, type SnapshotSink } from "../../src/consensus/driver/ports.ts";
import { decodeMessages, encodeMessages, generationOf } from "../../src/consensus/driver/wire.ts";
import { type GossipTransport, type LaneName, type LaneStats } from "../../src/gossip/ports.ts";
import { P2pCode } from "../../src/p2p/errors.ts";
import { idleLane, LaneMeter } from "../../src/p2p/lane-meter.ts";
import { type Rpc } from "../../src/p2p/ports.ts";
import { decodeRpc, encodeRpc } from "../../src/p2p/rpc-codec.ts";

type RpcHandler = (payload: unknown, from: PeerId, signal: AbortSignal) => Promise<unknown>;
type ContactState = "open" | "closed" | "refused" | "timeout";
type CallOptions = Parameters<Rpc["call"]>[3];

export interface MemoryMeshOptions {
  readonly clock: Clock;
  /** One way. */
  readonly latencyMs?: number;
}

export class MemoryMesh {
  readonly clock: Clock;
  readonly #latencyMs: number;
  readonly #nodes = new Map<PeerId, MemoryNode>();
  readonly #cuts = new Set<string>();

  constructor(options: MemoryMeshOptions) {
    this.clock = options.clock;
    this.#latencyMs = options.latencyMs ?? 0;
  }

  /** A node that is up; the same id again, after a crash, is its next life. */
  node(id: string): MemoryNode {
    const peer = asPeerId(id);
    const node = new MemoryNode(peer, this);
    this.#nodes.set(peer, node);
    for (const other of this.#nodes.values()) {
      if (other === node) continue;
      other.sawContact(peer, "open");
      node.sawContact(other.id, "open");
    }
    return node;
  }

  /** The process of `id` dies: its connections close at once. */
  crash(id: string): void {
    const peer = asPeerId(id);
    const node = this.#nodes.get(peer);
    if (node === undefined) return;
    this.#nodes.delete(peer);
    node.die();
    for (const other of this.#nodes.values()) other.sawContact(peer, "closed");
  }

  /** Silence between two nodes, both ways; nobody is told. */
  cut(a: string, b: string): void {
    this.#cuts.add(`${a} ${b}`).add(`${b} ${a}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** The node that a message from `from` reaches, or null. */
  reach(from: PeerId, to: PeerId): MemoryNode | null {
    if (this.#cuts.has(`${from} ${to}`) || !this.#nodes.has(from)) return null;
    return this.#nodes.get(to) ?? null;
  }

  isUp(peer: PeerId): boolean {
    return this.#nodes.has(peer);
  }

  /** Carries out `deliver` at `to` after the latency, unless one of them died or a cut came between. */
  carry(from: PeerId, to: PeerId, deliver: (target: MemoryNode) => void): void {
    const target = this.reach(from, to);
    if (target === null) return;
    this.clock.setTimer(this.#latencyMs, () => {
      if (this.reach(from, to) === target) deliver(target);
    });
  }
}

export class MemoryNode {
  readonly id: PeerId;
  readonly mesh: MemoryMesh;
  readonly rpc: MemoryRpc;
  readonly raft: MemoryRaft;
  readonly gossip: MemoryGossip;

  constructor(id: PeerId, mesh: MemoryMesh) {
    this.id = id;
    this.mesh = mesh;
    this.rpc = new MemoryRpc(this);
    this.raft = new MemoryRaft(this);
    this.gossip = new MemoryGossip(this, this.rpc);
  }

  sawContact(peer: PeerId, state: ContactState): void {
    if (state === "closed") this.rpc.lost(peer);
    this.raft.contact(peer, state);
    this.gossip.contact(peer, state);
  }

  die(): void {
    this.rpc.die();
  }
}

interface Waiting {
  readonly peer: PeerId;
  reject(error: Error): void;
}

export class MemoryRpc implements Rpc {
  readonly #node: MemoryNode;
  readonly #handlers = new Map<string, RpcHandler>();
  readonly #waiting = new Set<Waiting>();
  readonly #serving = new Set<AbortController>();

  constructor(node: MemoryNode) {
    this.#node = node;
  }

  handle(method: string, handler: RpcHandler): void {
    this.#handlers.set(method, handler);
  }

  call(peer: PeerId, method: string, payload: unknown, options: CallOptions): Promise<unknown> {
    const { mesh, id } = this.#node;
    if (options.signal?.aborted === true) return Promise.reject(abortReason(options.signal));
    if (peer !== id && !mesh.isUp(peer)) {
      const text = `Could not reach peer "${peer}".`;
      return Promise.reject(new AgentError(P2pCode.peerUnreachable, text, { peer }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const serving = new AbortController();
    const waiting: Waiting = {
      peer,
      reject: (error) => {
        serving.abort(error);
        reject(error);
      },
    };
    const onAbort = (): void => waiting.reject(abortReason(options.signal));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const disarm = mesh.clock.setTimer(options.timeoutMs, () => {
      const text = `Call "${method}" was not answered within ${options.timeoutMs} ms.`;
      waiting.reject(new AgentError(P2pCode.rpcTimeout, text, { peer, method }));
    });
    this.#waiting.add(waiting);
    const request = copy(payload);
    const answer = (error: Error | null, value: unknown): void => {
      mesh.carry(peer, id, () => (error === null ? resolve(copy(value)) : reject(error)));
    };
    mesh.carry(id, peer, (target) => {
      target.rpc.#serve({ method, request, from: id, serving }, answer);
    });
    return promise.finally(() => {
      disarm();
      options.signal?.removeEventListener("abort", onAbort);
      this.#waiting.delete(waiting);
    });
  }

  lost(peer: PeerId): void {
    const text = `The connection to peer "${peer}" was lost.`;
    for (const waiting of [...this.#waiting]) {
      if (waiting.peer === peer) waiting.reject(new AgentError(P2pCode.peerLost, text, { peer }));
    }
  }

  die(): void {
    const reason = new AgentError(P2pCode.peerLost, "This agent died.");
    for (const serving of this.#serving) serving.abort(reason);
    for (const waiting of [...this.#waiting]) waiting.reject(reason);
  }

  #serve(
    call: {
      readonly method: string;
      readonly request: unknown;
      readonly from: PeerId;
      readonly serving: AbortController;
    },
    answer: (error: Error | null, value: unknown) => void,
  ): void {
    const { method, request, from, serving } = call;
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      const text = `Method "${method}" is not known here.`;
      return answer(new AgentError(P2pCode.unknownMethod, text, { method }), null);
    }
    this.#serving.add(serving);
    handler(request, from, serving.signal).then(
      (value) => {
        this.#serving.delete(serving);
        answer(null, value);
      },
      (error: unknown) => {
        this.#serving.delete(serving);
        const text = `Method "${method}" failed inside the agent.`;
        const known = error instanceof AgentError;
        answer(known ? error : new AgentError(P2pCode.rpcFailed, text, { method }), null);
      },
    );
  }
}

export class MemoryRaft implements RaftTransport {
  readonly #node: MemoryNode;
  #receive: (from: NodeId, messages: readonly Message[]) => void = () => {};
  #notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void = () => {};
  #accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null> = () =>
    Promise.resolve(null);
  #peers: ReadonlySet<NodeId> = new Set();
  #foreign: (from: NodeId, id: string) => void = () => {};
  #generation = "0".repeat(32);

  constructor(node: MemoryNode) {
    this.#node = node;
  }

  setGeneration(id: string): void {
    this.#generation = id;
  }

  onForeignGeneration(notify: (from: NodeId, id: string) => void): void {
    this.#foreign = notify;
  }

  send(to: NodeId, messages: readonly Message[]): boolean {
    const { mesh, id } = this.#node;
    const peer = asPeerId(to);
    if (peer === id || !mesh.isUp(peer)) return false;
    const frame = encodeMessages(messages, this.#generation);
    mesh.carry(id, peer, (target) => target.raft.#incoming(id, frame));
    return true;
  }

  onMessages(receive: (from: NodeId, messages: readonly Message[]) => void): void {
    this.#receive = receive;
  }

  onPeer(notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void): void {
    this.#notify = notify;
  }

  onSnapshot(accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>): void {
    this.#accept = accept;
  }

  setPeers(peers: readonly NodeId[]): void {
    const added = peers.filter((peer) => !this.#peers.has(peer) && peer !== this.#node.id);
    this.#peers = new Set(peers);
    for (const peer of added) {
      this.#node.mesh.carry(this.#node.id, asPeerId(peer), () =>
        this.#notify(peer, true, "closed"),
      );
    }
  }

  async sendSnapshot(
    to: NodeId,
    meta: SnapshotMeta,
    read: (offset: number) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { mesh, id } = this.#node;
    const target = mesh.reach(id, asPeerId(to));
    if (target === null) return false;
    const { raft } = target;
    if (raft.#isForeign(id, this.#generation)) return false;
    const sink = await raft.#accept(id, structuredClone(meta));
    if (sink === null) return false;
    let offset = sink.offset;
    for await (const bytes of read(offset)) {
      const broken = signal.aborted || mesh.reach(id, asPeerId(to)) !== target;
      if (broken || offset + bytes.byteLength > meta.sizeBytes) {
        await sink.abort();
        return false;
      }
      await sink.write(Buffer.from(bytes));
      offset += bytes.byteLength;
    }
    return sink.finish().then(
      () => true,
      () => false,
    );
  }

  contact(peer: PeerId, state: ContactState): void {
    if (state === "closed") this.#notify(peer, false, "closed");
    else if (state === "open" && this.#peers.has(peer)) this.#notify(peer, true, "closed");
  }

  #isForeign(from: PeerId, generation: string): boolean {
    if (generation === this.#generation) return false;
    this.#foreign(from, generation);
    return true;
  }

  #incoming(from: PeerId, frame: Uint8Array): void {
    if (this.#isForeign(from, generationOf(frame))) return;
    const messages = decodeMessages(frame) ?? [];
    const honest = messages.filter(
      (message) => message.from === from && message.to === this.#node.id,
    );
    if (honest.length > 0) this.#receive(from, honest);
  }
}

export class MemoryGossip implements GossipTransport {
  readonly #node: MemoryNode;
  readonly #rpc: MemoryRpc;
  readonly #meter = new LaneMeter();
  #receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void = () => {};
  #notify: (peer: PeerId, state: ContactState) => void = () => {};

  constructor(node: MemoryNode, rpc: MemoryRpc) {
    this.#node = node;
    this.#rpc = rpc;
  }

  sendFrame(to: PeerId, frame: Uint8Array): boolean {
    const { mesh, id } = this.#node;
    if (frame.byteLength === 0 || frame.byteLength > 1350) {
      throw new AgentError(P2pCode.frameTooLarge, `A gossip frame has ${frame.byteLength} bytes.`);
    }
    if (to === id) return false;
    if (!mesh.isUp(to)) {
      mesh.clock.setTimer(0, () => this.#notify(to, "refused"));
      return true; // queued until the dial fails, as on the real one
    }
    const bytes = Buffer.from(frame);
    this.#meter.sent(bytes.byteLength);
    mesh.carry(id, to, (target) => target.gossip.#arrived(id, bytes));
    return true;
  }

  lanes(): Readonly<Record<LaneName, LaneStats>> {
    return { stream: this.#meter.stats(true), udp: idleLane };
  }

  #arrived(from: PeerId, frame: Uint8Array): void {
    this.#meter.received(frame.byteLength);
    this.#receive(from, frame, "stream");
  }

  onFrame(receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void): void {
    this.#receive = receive;
  }

  async sync(to: PeerId, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const answer = await this.#rpc.call(to, "gossip.sync", request, { timeoutMs });
    if (answer instanceof Uint8Array) return answer;
    throw new AgentError(P2pCode.frameMalformed, "A gossip sync answer is not bytes.");
  }

  onSync(answer: (from: PeerId, request: Uint8Array) => Uint8Array): void {
    this.#rpc.handle("gossip.sync", async (request, from) => {
      if (request instanceof Uint8Array) return answer(from, request);
      throw new AgentError(P2pCode.frameMalformed, "A gossip sync request is not bytes.");
    });
  }

  onConnection(notify: (peer: PeerId, state: ContactState) => void): void {
    this.#notify = notify;
  }

  setDatagrams(): void {
    // There is one lane in memory.
  }

  setAddress(): void {
    // Every node of the process can reach every other one.
  }

  want(peers: readonly PeerId[]): void {
    for (const peer of peers) {
      if (peer === this.#node.id) continue;
      const state = this.#node.mesh.isUp(peer) ? "open" : "refused";
      this.#node.mesh.clock.setTimer(0, () => this.#notify(peer, state));
    }
  }

  contact(peer: PeerId, state: ContactState): void {
    this.#notify(peer, state);
  }
}

function copy(payload: unknown): unknown {
  const message = decodeRpc(encodeRpc({ kind: "result", id: 1, payload }));
  return message?.kind === "result" ? message.payload : null;
}
