/**
 * The ports by which a simulated process reaches others: Raft's messages and snapshots, and requests to the leader.
 * Messages pass through production's wire format in some runs, and as they are (they are immutable) in the others.
 */
import { AgentError } from "../../src/base/errors.ts";
import { type Message, type NodeId, type SnapshotMeta } from "../../src/consensus/core/types.ts";
import { type RaftTransport, type SnapshotSink } from "../../src/consensus/driver/ports.ts";
import { type Position } from "../../src/consensus/driver/submitter.ts";
import { decodeMessages, encodeMessages } from "../../src/consensus/driver/wire.ts";
import { type Life } from "./life.ts";
import { type Lane, lanes, type SimNetwork } from "./net.ts";
import { require } from "./violation.ts";

/** A process that can be reached. */
export interface Endpoint {
  readonly id: NodeId;
  readonly slot: number;
  readonly life: Life;
  readonly transport: SimTransport;
  handleForward(request: Uint8Array): Promise<Position>;
  /** Requests of survivor mode; rejects while nobody listens yet. */
  handleCall(method: string, payload: unknown, from: NodeId): Promise<unknown>;
}

export interface Switchboard {
  readonly network: SimNetwork;
  /** Encode and decode messages as production does. */
  readonly encoded: boolean;
  /** The living process of an agent; null when there is none. */
  find(id: NodeId): Endpoint | null;
  /** Where an agent's machine is, dead or alive; null when it never was. */
  slotOf(id: NodeId): number | null;
  onSend(from: NodeId, message: Message): void;
  onDeliver(message: Message): void;
}

interface Call {
  readonly to: NodeId;
  readonly fail: (code: string) => void;
}

const snapshotRefusedMs = 500;

export class SimTransport implements RaftTransport {
  readonly #self: { readonly id: NodeId; readonly slot: number; readonly life: Life };
  readonly #board: Switchboard;
  readonly #calls = new Set<Call>();
  /** What this agent sends belongs to it, and what it takes. */
  generation = "";
  #foreign: (from: NodeId, id: string) => void = () => {};
  receive: (from: NodeId, messages: readonly Message[]) => void = () => {};
  notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void = () => {};
  accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null> = () =>
    Promise.resolve(null);

  constructor(
    self: { readonly id: NodeId; readonly slot: number; readonly life: Life },
    board: Switchboard,
  ) {
    this.#self = self;
    this.#board = board;
  }

  send(to: NodeId, messages: readonly Message[]): boolean {
    for (const message of messages) this.#board.onSend(this.#self.id, message);
    const [only] = messages;
    if (messages.length === 1 && only !== undefined) {
      return this.#transmit(to, only.type === "Append" ? lanes.appends : lanes.beats, messages);
    }
    const bulky = messages.filter((message) => message.type === "Append");
    if (bulky.length === messages.length) return this.#transmit(to, lanes.appends, messages);
    if (bulky.length === 0) return this.#transmit(to, lanes.beats, messages);
    const small = messages.filter((message) => message.type !== "Append");
    const sent = this.#transmit(to, lanes.beats, small);
    return this.#transmit(to, lanes.appends, bulky) && sent;
  }

  onMessages(receive: (from: NodeId, messages: readonly Message[]) => void): void {
    this.receive = receive;
  }

  onPeer(notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void): void {
    this.notify = notify;
  }

  onSnapshot(accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>): void {
    this.accept = accept;
  }

  setPeers(): void {}

  setGeneration(id: string): void {
    this.generation = id;
  }

  onForeignGeneration(notify: (from: NodeId, id: string) => void): void {
    this.#foreign = notify;
  }

  /** False, and this agent hears of it, when what arrives is of another generation than its own. */
  isOfOurs(from: NodeId, generation: string): boolean {
    if (generation === this.generation) return true;
    this.#foreign(from, generation);
    return false;
  }

  /** The peer's process is gone, or a connection broke: the requests to it are. */
  lost(peer: NodeId, evidence: "closed" | "timeout"): void {
    this.notify(peer, false, evidence);
    for (const call of [...this.#calls]) if (call.to === peer) call.fail("PEER_LOST");
  }

  /** The receiver's side of a snapshot that a peer offers. */
  offered(from: NodeId, meta: SnapshotMeta, generation: string): Promise<SnapshotSink | null> {
    return this.isOfOurs(from, generation) ? this.accept(from, meta) : Promise.resolve(null);
  }

  async sendSnapshot(
    to: NodeId,
    meta: SnapshotMeta,
    read: (offset: number) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { generation } = this;
    if (!(await this.#travel(to))) return false;
    const peer = this.#board.find(to);
    const accepted =
      peer === null
        ? null
        : await this.#at(peer, (t) => t.offered(this.#self.id, meta, generation));
    if (accepted === null || peer === null) return false;
    for await (const chunk of read(accepted.offset)) {
      const arrived = !signal.aborted && (await this.#travel(to)) && peer.life.alive;
      if (!arrived || signal.aborted) {
        // A peer that died, too, is told nothing any more.
        this.#at(peer, () => accepted.abort()).catch(() => undefined);
        return false;
      }
      await this.#at(peer, () => accepted.write(chunk));
    }
    if (!(await this.#travel(to)) || !peer.life.alive) return false;
    await this.#at(peer, () => accepted.finish());
    return this.#travel(to);
  }

  /** Production's way to the leader: rejects with the codes of the RPC layer, or what the leader said. */
  forward(leader: NodeId, request: Uint8Array, timeoutMs: number): Promise<Position> {
    return this.ask(leader, timeoutMs, (peer) => peer.handleForward(request));
  }

  /**
   * A request to another process, and its answer. What the network doubles is carried out twice, but the first to
   * arrive is the request: whether it found somebody is what its sender learns, and only it is answered.
   */
  ask<T>(to: NodeId, timeoutMs: number, serve: (peer: Endpoint) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { life, slot } = this.#self;
    let over = false;
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      cancel();
      this.#calls.delete(call);
      settle();
    };
    const fail = (code: string): void => end(() => reject(new AgentError(code, "simulated")));
    const call: Call = { to, fail };
    const cancel = life.setTimer(timeoutMs, () => fail("RPC_TIMEOUT"));
    this.#calls.add(call);
    const there = this.#board.slotOf(to);
    const back = (settle: () => void): void => {
      if (there === null) return;
      this.#board.network.send(there, slot, lanes.requests, () => life.run(() => end(settle)));
    };
    let arrival: "none" | "served" | "refused" = "none";
    const sent =
      there !== null &&
      this.#board.network.send(slot, there, lanes.requests, () => {
        const peer = this.#board.find(to);
        const isFirst = arrival === "none";
        if (isFirst) arrival = peer === null ? "refused" : "served";
        if (peer === null || arrival === "refused") {
          if (isFirst) back(() => reject(new AgentError("PEER_UNREACHABLE", "simulated")));
          return;
        }
        const answer = isFirst ? back : (): void => {};
        peer.life.run(() => {
          serve(peer).then(
            (value) => answer(() => resolve(value)),
            (error: unknown) => answer(() => reject(error)),
          );
        });
      });
    if (!sent) fail("PEER_UNREACHABLE");
    return promise;
  }

  /** One way to a peer, as a part of a longer exchange. Resolves false when it was lost. */
  #travel(to: NodeId): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const slot = this.#board.slotOf(to);
    const { life } = this.#self;
    life.after(snapshotRefusedMs * 4, () => resolve(false));
    const sent =
      slot !== null &&
      this.#board.network.send(this.#self.slot, slot, lanes.requests, () =>
        life.run(() => resolve(true)),
      );
    if (!sent) life.after(snapshotRefusedMs, () => resolve(false));
    return promise;
  }

  /** Does something in the peer's process, and waits for it in this one. */
  #at<T>(peer: Endpoint, action: (transport: SimTransport) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const { life } = this.#self;
    // A peer that dies meanwhile never answers; the connection breaks some time later.
    life.after(10_000, () => reject(new AgentError("PEER_LOST", "simulated")));
    peer.life.run(() => {
      action(peer.transport).then(
        (value) => life.run(() => resolve(value)),
        (error: unknown) => life.run(() => reject(error)),
      );
    });
    return promise;
  }

  #transmit(to: NodeId, lane: Lane, messages: readonly Message[]): boolean {
    const { id, slot } = this.#self;
    const { generation } = this;
    const target = this.#board.slotOf(to);
    if (target === null) return false;
    const frame = this.#board.encoded ? encodeMessages(messages, generation) : null;
    return this.#board.network.send(slot, target, lane, () => {
      const peer = this.#board.find(to);
      peer?.life.run(() => {
        if (!peer.transport.isOfOurs(id, generation)) return;
        const arrived = frame === null ? messages : decodeMessages(frame);
        require(arrived !== null, () => `a frame of ${id} for ${to} cannot be decoded`);
        for (const message of arrived ?? []) this.#board.onDeliver(message);
        peer.transport.receive(id, arrived ?? []);
      });
    });
  }
}
