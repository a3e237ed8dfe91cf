/**
 * This agent in the mesh: one listening port, one identity, connections to peers whose identity is proven, and
 * the rule who may open which stream. Strangers may stay ten seconds and speak only the join protocol.
 */
import { type Connection, type Stream } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { type Libp2p } from "libp2p";
import { type Multiaddr } from "@multiformats/multiaddr";
import { assert } from "../base/assert.ts";
import { type Clock, unlessAborted } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type Slowness } from "../base/slowness.ts";
import {
  defaultAdvertise,
  formatHostPort,
  fromMultiaddr,
  isWildcard,
  requireHostPort,
  toMultiaddr,
} from "./address.ts";
import { ConnectionKeeper } from "./connection-keeper.ts";
import { ConnectionTable, type ConnectionInfo } from "./connections.ts";
import { Dialer } from "./dialer.ts";
import { isGone } from "./exit-client.ts";
import { P2pCode } from "./errors.ts";
import { createGater } from "./gater.ts";
import { IdleConnections } from "./idle-connections.ts";
import { type Identity } from "./identity.ts";
import { InboundDoor, type MeshCounters } from "./inbound-door.ts";
import { createNode, dialMs, whereListens } from "./libp2p-node.ts";
import { listenError } from "./listen-error.ts";
import { type Admission } from "./ports.ts";
import { Protocol } from "./protocols.ts";
import { Strangers } from "./strangers.ts";

export interface MeshHostOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  /** Addresses given to peers; empty: derived from `listen`. */
  readonly advertise: readonly string[];
  readonly identity: Identity;
  readonly maxConnections?: number;
  readonly maxStrangers?: number;
  readonly strangerMs?: number;
  readonly keepAliveMs?: number;
  /** A connection that nobody keeps and no stream is on is closed after so long, at the latest after twice as long. */
  readonly idleMs?: number;
}

export interface MeshHostDependencies {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly slowness: Pick<Slowness, "factor">;
  /** False while this agent belongs to no cluster: nobody has any business here, and is not heard. */
  readonly isOpen?: () => boolean;
}

export type ContactState = "open" | "closed" | "refused" | "timeout";
export type StreamHandler = (stream: Stream, peer: PeerId) => void;

const dialer = { timeoutMs: dialMs, minBackoffMs: 100, maxBackoffMs: 5_000 };
const maxStreamsPerProtocol = 4;
/** What is written already gets this long to leave when the agent stops. */
const closeMs = 200;

export class MeshHost implements Service {
  readonly name = "mesh";
  readonly #options: MeshHostOptions;
  readonly #deps: MeshHostDependencies;
  readonly #table: ConnectionTable;
  readonly #dialer: Dialer;
  readonly #handlers = new Map<Protocol, StreamHandler>();
  readonly #listeners = new Set<(peer: PeerId, state: ContactState) => void>();
  readonly #keeper: ConnectionKeeper;
  readonly #door: InboundDoor;
  readonly #strangers: Strangers;
  readonly #idle: IdleConnections;
  readonly #restListeners = new Set<(unusedMs: number) => void>();
  #node: Libp2p | null = null;
  /** Asked for every two seconds, which libp2p finds out by parsing addresses. */
  #listensAt = "";
  #refusedStreams = 0;

  constructor(options: MeshHostOptions, deps: MeshHostDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#table = new ConnectionTable(deps.clock, {
      opened: (peer, connection) => this.#opened(peer, connection),
      doubled: (older) => this.#keeper.test(older),
      ended: (peer, ending) => this.#ended(peer, ending),
    });
    this.#dialer = new Dialer(
      { ...dialer, self: this.id },
      {
        clock: deps.clock,
        random: deps.random,
        connected: (peer) => this.#table.newest(peer),
        dial: (addresses, signal) => this.#started().dial(addresses, { signal }),
        failed: (peer, how) => this.#notify(peer, how),
        isGone,
      },
    );
    this.#keeper = new ConnectionKeeper({
      ...deps,
      self: this.id,
      table: this.#table,
      dialer: this.#dialer,
    });
    this.#door = new InboundDoor({ isOpen: () => true, ...deps });
    this.#strangers = new Strangers(
      { maxCount: options.maxStrangers ?? 64, graceMs: options.strangerMs ?? 10_000 },
      {
        ...deps,
        close: (connection) => this.#table.abort(connection, notAdmitted()),
        admitted: (connection) => this.#door.met(connection.remoteAddr),
        inVain: (connection) => this.#door.failed(connection.remoteAddr),
      },
    );
    this.#idle = new IdleConnections({
      table: this.#table,
      keeps: (peer) => this.keeps(peer),
      isStranger: (connection) => this.#strangers.isWatched(connection),
      rest: (unusedMs) => [...this.#restListeners].forEach((rest) => rest(unusedMs)),
      ...deps,
    });
  }

  get id(): PeerId {
    return this.#options.identity.peer;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const listen = requireHostPort(this.#options.listen);
    this.#options.advertise.forEach(requireHostPort);
    const node = await createNode({
      privateKey: this.#options.identity.privateKey,
      listen: toMultiaddr(listen),
      gater: createGater({ ...this.#deps, strangers: this.#strangers, door: this.#door }),
      maxConnections: this.#options.maxConnections ?? 2048,
    });
    node.addEventListener("connection:open", (event) => this.#table.add(event.detail));
    this.#handlers.set(Protocol.ping, (stream) => void stream.close().catch(() => {}));
    for (const [protocol, handler] of this.#handlers) await this.#register(node, protocol, handler);
    try {
      await node.start();
    } catch (error) {
      throw listenError(this.#options.listen, error);
    }
    this.#node = node;
    this.#listensAt = whereListens(node, listen);
    this.#keeper.start(this.#options.keepAliveMs ?? 60_000);
    this.#idle.start(this.#options.idleMs ?? 10_000);
    this.#deps.logger.info({ peer: this.id, listen: this.listenAddress() }, "listening for peers");
  }

  async stop(): Promise<void> {
    this.#idle.stop();
    this.#strangers.stop();
    this.#dialer.stop();
    await this.#keeper.stop();
    const node = this.#node;
    this.#node = null;
    await this.#table.closeAll(closeMs);
    await node?.stop();
  }

  /** The real `host:port` this agent listens on. */
  listenAddress(): string {
    this.#started();
    return this.#listensAt;
  }

  /** What to give peers for dialing this agent. */
  addresses(): readonly string[] {
    if (this.#options.advertise.length > 0) return this.#options.advertise;
    return [defaultAdvertise(requireHostPort(this.listenAddress()))];
  }

  /** Where a peer on the network of this interface finds this agent: listening everywhere, it is there too. */
  addressOn(interfaceAddress: string): string {
    const { host, port } = requireHostPort(this.listenAddress());
    if (this.#options.advertise.length > 0 || !isWildcard(host)) return this.addresses()[0] ?? "";
    return formatHostPort({ host: interfaceAddress, port });
  }

  /** Registers a protocol before the start; only `join` is open to strangers. */
  handle(protocol: Protocol, handler: StreamHandler): void {
    assert(this.#node === null, `protocols are registered before the mesh starts: ${protocol}`);
    this.#handlers.set(protocol, handler);
  }

  setAddress(peer: PeerId, ...addresses: readonly string[]): void {
    if (peer !== this.id) this.#dialer.setAddresses(peer, addresses);
  }

  addressesOf(peer: PeerId): readonly string[] {
    return this.#dialer.addresses(peer);
  }

  isConnected(peer: PeerId): boolean {
    return this.#table.newest(peer) !== null;
  }

  connections(): readonly ConnectionInfo[] {
    return this.#table.list().map(({ peer, entry }) => ({
      peer,
      remote: fromMultiaddr(entry.connection.remoteAddr),
      direction: entry.connection.direction,
      sinceMs: entry.sinceMs,
    }));
  }

  counters(): MeshCounters {
    const refusedStrangers = this.#strangers.refused;
    return { ...this.#door.counters(), refusedStreams: this.#refusedStreams, refusedStrangers };
  }

  /** `owner` needs connections to these peers (instead of those it named before): they are kept up. */
  keep(owner: string, peers: readonly PeerId[]): void {
    this.#keeper.keep(owner, peers);
  }

  /** Some part of this agent wants `peer` connected. */
  keeps(peer: PeerId): boolean {
    return this.#keeper.keeps(peer);
  }

  /** Every few seconds: the listener closes streams to peers that nobody keeps, if unused for so long. */
  onRest(listener: (unusedMs: number) => void): () => void {
    this.#restListeners.add(listener);
    return () => this.#restListeners.delete(listener);
  }

  onConnection(listener: (peer: PeerId, state: ContactState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An open connection, dialed when there is none. @throws AgentError PEER_UNREACHABLE */
  async connect(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    return this.#table.newest(peer) ?? (await this.#dialer.dial(peer, signal));
  }

  /** A stream that libp2p negotiated; the remote may still refuse it. */
  async openStream(peer: PeerId, protocol: Protocol, signal: AbortSignal): Promise<Stream> {
    const connection = await this.connect(peer, signal);
    return connection.newStream(protocol, { signal });
  }

  /** Dials an address whose peer is not known yet; the caller must prove it by other means. */
  async dialAddress(address: Multiaddr, signal: AbortSignal): Promise<Connection> {
    return unlessAborted(this.#started().dial(address, { signal }), signal);
  }

  /**
   * Applies a change of membership to the connections that are open: strangers and evicted peers go, but those that
   * are spared yet. Streams that are open go on with these; no new ones are taken. An evicted peer that came again to
   * ask why has a stranger's time for that.
   */
  enforceAdmission(isSpared: (peer: PeerId) => boolean = () => false): void {
    for (const { peer, entry } of this.#table.list()) {
      if (isSpared(peer)) continue;
      if (!this.#deps.admission.isEvicted(peer)) {
        this.#strangers.watch(entry.connection);
        continue;
      }
      this.#dialer.forget(peer);
      this.#door.forget(entry.connection.remoteAddr);
      if (!this.#strangers.isWatched(entry.connection)) {
        this.#table.abort(entry.connection, hungUp());
      }
    }
  }

  /**
   * A peer did not answer in time. If its connections are dead, they are closed within seconds: the kernel would
   * try for minutes, more and more seldom, and when the network is whole again all would wait for its next attempt.
   */
  doubt(peer: PeerId): void {
    const mine = this.#table.list().filter((one) => one.peer === peer);
    this.#keeper.test(mine.map(({ entry }) => entry.connection));
  }

  /** Closes all connections to a peer at once. */
  disconnect(peer: PeerId): void {
    this.#table.abortPeer(peer, hungUp());
  }

  #register(node: Libp2p, protocol: Protocol, handler: StreamHandler): Promise<void> {
    const guarded = (stream: Stream, connection: Connection): void => {
      const peer = asPeerId(connection.remotePeer.toString());
      if (protocol === Protocol.join || this.#deps.admission.isMember(peer)) {
        handler(stream, peer);
        return;
      }
      this.#refusedStreams += 1;
      stream.abort(new AgentError(P2pCode.notMember, "Only members may open this stream."));
    };
    const limits = {
      maxInboundStreams: maxStreamsPerProtocol,
      maxOutboundStreams: maxStreamsPerProtocol * 4,
      force: true as const,
    };
    return node.handle(protocol, guarded, limits);
  }

  #opened(peer: PeerId, connection: Connection): void {
    if (connection.direction === "inbound") this.#dialer.met(peer, connection);
    else this.#dialer.forgive(peer);
    if (this.#deps.admission.isMember(peer)) this.#door.met(connection.remoteAddr);
    this.#strangers.watch(connection);
    this.#notify(peer, "open");
  }

  #ended(peer: PeerId, ending: ContactState): void {
    this.#notify(peer, ending);
    this.#keeper.lost(peer);
    if (this.#deps.admission.isMember(peer)) return;
    // The library remembers every peer it ever met; strangers could fill the memory so.
    void this.#node?.peerStore.delete(peerIdFromString(peer)).catch(() => {});
  }

  #notify(peer: PeerId, state: ContactState): void {
    for (const listener of [...this.#listeners]) listener(peer, state);
  }

  #started(): Libp2p {
    if (this.#node !== null) return this.#node;
    throw new AgentError(P2pCode.hostStopped, "The mesh is not running.");
  }
}

function notAdmitted(): AgentError {
  return new AgentError(P2pCode.notMember, "The peer was not admitted in time.");
}

function hungUp(): AgentError {
  return new AgentError(P2pCode.notMember, "This agent hung up.");
}
