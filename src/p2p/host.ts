/**
 * This agent in the mesh: one listening port, one identity, connections to peers whose identity is proven, and
 * the rule who may open which stream. Strangers may stay ten seconds and speak only the join protocol.
 */
import {
  type Connection,
  type ConnectionGater,
  type PeerId as Libp2pPeer,
} from "@libp2p/interface";
import { type Stream } from "@libp2p/interface";
import { type Libp2p } from "libp2p";
import { type Multiaddr } from "@multiformats/multiaddr";
import { Background } from "../base/background.ts";
import { type Clock } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import {
  defaultAdvertise,
  formatHostPort,
  fromMultiaddr,
  requireHostPort,
  toMultiaddr,
} from "./address.ts";
import { ConnectionTable, type ConnectionInfo } from "./connections.ts";
import { Dialer, unlessAborted } from "./dialer.ts";
import { P2pCode } from "./errors.ts";
import { type Identity } from "./identity.ts";
import { createNode } from "./libp2p-node.ts";
import { listenError } from "./listen-error.ts";
import { type Admission } from "./ports.ts";
import { Protocol } from "./protocols.ts";

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
}

export interface MeshHostDependencies {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type ContactState = "open" | "closed" | "refused" | "timeout";
export type StreamHandler = (stream: Stream, peer: PeerId) => void;

const dialer = { timeoutMs: 6_000, minBackoffMs: 100, maxBackoffMs: 5_000 };
/** The peer with the larger id lets the other dial first, so that most pairs have one connection. */
const courtesyMs = 150;
const pingMs = 5_000;
const maxStreamsPerProtocol = 4;

export class MeshHost implements Service {
  readonly name = "mesh";
  readonly #options: MeshHostOptions;
  readonly #deps: MeshHostDependencies;
  readonly #background: Background;
  readonly #table: ConnectionTable;
  readonly #dialer: Dialer;
  readonly #handlers = new Map<Protocol, StreamHandler>();
  readonly #listeners = new Set<(peer: PeerId, state: ContactState) => void>();
  readonly #keepers = new Map<string, ReadonlySet<PeerId>>();
  readonly #tended = new Set<PeerId>();
  readonly #strangers = new Map<Connection, () => void>();
  #node: Libp2p | null = null;
  #stopKeepAlive: () => void = () => {};
  #refusedStreams = 0;
  #refusedStrangers = 0;

  constructor(options: MeshHostOptions, deps: MeshHostDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#background = new Background(deps.logger);
    this.#table = new ConnectionTable(deps.clock, {
      opened: (peer, connection) => this.#opened(peer, connection),
      doubled: (older) => this.#testAll(older),
      ended: (peer, ending) => this.#ended(peer, ending),
    });
    this.#dialer = new Dialer(dialer, {
      clock: deps.clock,
      random: deps.random,
      dial: (addresses, signal) => this.#started().dial(addresses, { signal }),
      failed: (peer, how) => this.#notify(peer, how),
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
      gater: this.#gater(),
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
    this.#armKeepAlive();
    for (const peers of this.#keepers.values()) for (const peer of peers) this.#tend(peer, 0);
    this.#deps.logger.info({ peer: this.id, listen: this.listenAddress() }, "listening for peers");
  }

  async stop(): Promise<void> {
    this.#stopKeepAlive();
    for (const cancel of this.#strangers.values()) cancel();
    this.#strangers.clear();
    this.#dialer.stop();
    await this.#background.close();
    const node = this.#node;
    this.#node = null;
    await node?.stop();
  }

  /** The real `host:port` this agent listens on. */
  listenAddress(): string {
    const [first] = this.#started().getMultiaddrs();
    const listen = requireHostPort(this.#options.listen);
    if (first === undefined) return formatHostPort(listen);
    const { port } = requireHostPort(fromMultiaddr(first));
    return formatHostPort({ host: listen.host, port });
  }

  /** What to give peers for dialing this agent. */
  addresses(): readonly string[] {
    if (this.#options.advertise.length > 0) return this.#options.advertise;
    return [defaultAdvertise(requireHostPort(this.listenAddress()))];
  }

  /** Registers a protocol; only `join` is open to strangers. */
  handle(protocol: Protocol, handler: StreamHandler): void {
    this.#handlers.set(protocol, handler);
    const node = this.#node;
    if (node === null) return;
    this.#background.run(`register ${protocol}`, () => this.#register(node, protocol, handler));
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

  counters(): { readonly refusedStreams: number; readonly refusedStrangers: number } {
    return { refusedStreams: this.#refusedStreams, refusedStrangers: this.#refusedStrangers };
  }

  /** `owner` needs connections to these peers (instead of those it named before): they are kept up. */
  keep(owner: string, peers: readonly PeerId[]): void {
    const others = peers.filter((peer) => peer !== this.id);
    const added = others.filter((peer) => !this.#isKept(peer));
    this.#keepers.set(owner, new Set(others));
    for (const peer of added) this.#tend(peer, peer < this.id ? courtesyMs : 0);
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

  /** Applies a change of membership to the connections that are open: strangers and evicted peers go. */
  enforceAdmission(): void {
    for (const { peer, entry } of this.#table.list()) {
      const { admission } = this.#deps;
      const unwelcome = entry.connection.direction === "inbound" && !admission.isMember(peer);
      if (admission.isEvicted(peer)) this.disconnect(peer);
      else if (unwelcome && !this.#strangers.has(entry.connection)) this.#watch(entry.connection);
    }
  }

  /** Closes all connections to a peer at once. */
  disconnect(peer: PeerId): void {
    this.#table.abortPeer(peer, new AgentError(P2pCode.notMember, "This agent hung up."));
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

  #gater(): ConnectionGater {
    const evicted = (peer: Libp2pPeer): boolean =>
      this.#deps.admission.isEvicted(asPeerId(peer.toString()));
    return {
      denyDialPeer: evicted,
      denyDialMultiaddr: () => false,
      denyOutboundEncryptedConnection: evicted,
      denyInboundEncryptedConnection: (peer) => evicted(peer) || this.#tooManyStrangers(peer),
    };
  }

  #tooManyStrangers(peer: Libp2pPeer): boolean {
    if (this.#strangers.size < (this.#options.maxStrangers ?? 64)) return false;
    if (this.#deps.admission.isMember(asPeerId(peer.toString()))) return false;
    this.#refusedStrangers += 1;
    return true;
  }

  #opened(peer: PeerId, connection: Connection): void {
    this.#dialer.forgive(peer);
    const stranger = !this.#deps.admission.isMember(peer);
    if (connection.direction === "inbound" && stranger) this.#watch(connection);
    this.#notify(peer, "open");
  }

  /** Gives a stranger time to be admitted. */
  #watch(connection: Connection): void {
    const forget = (): void => {
      this.#strangers.get(connection)?.();
      this.#strangers.delete(connection);
    };
    const cancel = this.#deps.clock.setTimer(this.#options.strangerMs ?? 10_000, () => {
      forget();
      const peer = asPeerId(connection.remotePeer.toString());
      if (this.#deps.admission.isMember(peer)) return;
      this.#table.abort(connection, new AgentError(P2pCode.notMember, "Not admitted in time."));
    });
    this.#strangers.set(connection, cancel);
    connection.addEventListener("close", forget);
  }

  #ended(peer: PeerId, ending: ContactState): void {
    this.#notify(peer, ending);
    if (this.#isKept(peer)) this.#tend(peer, 0);
  }

  /** Dials a kept peer until it is connected or not wanted any more; the dialer paces the attempts. */
  #tend(peer: PeerId, graceMs: number): void {
    if (this.#node === null || this.#tended.has(peer) || this.isConnected(peer)) return;
    this.#tended.add(peer);
    this.#background.run(`keep ${peer}`, async (signal) => {
      try {
        if (graceMs > 0) await this.#pause(graceMs, signal);
        while (!signal.aborted && this.#isKept(peer) && !this.isConnected(peer)) {
          await this.#dialer.dial(peer, signal).catch(() => {
            // Reported through `failed`; the loop decides whether to go on.
          });
        }
      } finally {
        this.#tended.delete(peer);
      }
    });
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.setTimer(ms, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(cancel);
  }

  #isKept(peer: PeerId): boolean {
    for (const peers of this.#keepers.values()) if (peers.has(peer)) return true;
    return false;
  }

  #armKeepAlive(): void {
    const { clock, random } = this.#deps;
    const period = (this.#options.keepAliveMs ?? 60_000) * (0.9 + random.float() / 10);
    this.#stopKeepAlive = clock.setTimer(period, () => {
      this.enforceAdmission();
      const kept = this.#table.list().filter(({ peer }) => this.#isKept(peer));
      this.#testAll(kept.map(({ entry }) => entry.connection));
      this.#armKeepAlive();
    });
  }

  /** Aborts those of `connections` whose other end does not answer; an answer keeps the socket alive. */
  #testAll(connections: readonly Connection[]): void {
    for (const connection of connections) {
      this.#background.run("ping", async () => {
        try {
          const signal = AbortSignal.timeout(pingMs);
          const stream = await connection.newStream(Protocol.ping, { signal });
          await stream.close({ signal });
        } catch (error) {
          const text = `The peer did not answer: ${errorMessage(error)}`;
          this.#table.abort(connection, new AgentError(P2pCode.peerLost, text));
        }
      });
    }
  }

  #notify(peer: PeerId, state: ContactState): void {
    for (const listener of [...this.#listeners]) listener(peer, state);
  }

  #started(): Libp2p {
    if (this.#node !== null) return this.#node;
    throw new AgentError(P2pCode.hostStopped, "The mesh is not running.");
  }
}
