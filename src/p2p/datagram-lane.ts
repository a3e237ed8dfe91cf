/**
 * The datagram lane of gossip: one UDP socket on the number of the peer port. It carries sealed frames to members
 * whose signed record says that they take them, at the address of that record, and believes nothing but what opens.
 * Behind NAT the UDP port of the advertised address must lead here, as the TCP port must.
 */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP } from "node:net";
import { once } from "node:events";
import { type Clock } from "../base/clock.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { type LaneStats } from "../gossip/ports.ts";
import { type HostPort, parseHostPort } from "./address.ts";
import { datagramBytesMax, Envelopes, type EnvelopeOptions } from "./datagram-envelope.ts";
import { P2pCode } from "./errors.ts";
import { type KeyRing } from "./key-ring.ts";
import { LaneMeter } from "./lane-meter.ts";
import { SourceGuard } from "./source-guard.ts";

export interface DatagramLaneOptions extends EnvelopeOptions {
  /** An agent that needs its datagrams does not start without them. */
  readonly isNeeded: boolean;
  /** Read at the start: `host:port` on which this agent listens for peers. */
  readonly listen: () => string;
}

export interface DatagramLaneDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Destination extends HostPort {
  /** The host's address, once known; null while a name is looked up, or cannot be. */
  ip: string | null;
}

const queueBytesMax = 256 * 1024;
const receiveBufferBytes = 1024 * 1024;
/** Names are looked up again after so long, when they are used. */
const lookupMs = 60_000;
const logMs = 10_000;

export class DatagramLane implements Service {
  readonly name = "gossip-datagrams";
  readonly #options: DatagramLaneOptions;
  readonly #deps: DatagramLaneDependencies;
  readonly #envelopes: Envelopes;
  readonly #meter = new LaneMeter();
  readonly #guard = new SourceGuard({ sparesGenuine: false });
  readonly #logs = new Map<string, RateLimit>();
  readonly #cutLog = new RateLimit({ periodMs: logMs });
  readonly #crowdLog = new RateLimit({ periodMs: logMs });
  readonly #destinations = new Map<PeerId, Destination>();
  readonly #lookedUpAt = new Map<PeerId, number>();
  #socket: Socket | null = null;
  #family: 4 | 6 = 4;
  #receive: (from: PeerId, frame: Uint8Array) => void = () => {};

  constructor(options: DatagramLaneOptions, dependencies: DatagramLaneDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#envelopes = new Envelopes(options);
  }

  /** False where the port was not to be had. */
  get isOpen(): boolean {
    return this.#socket !== null;
  }

  /** @throws AgentError PORT_IN_USE, LISTEN_FAILED when it is needed */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const listen = this.#options.listen();
    this.#family = familyOf(listen);
    let socket: Socket;
    try {
      socket = await bindDatagrams(listen, signal);
    } catch (error) {
      if (this.#options.isNeeded || signal.aborted) throw error;
      this.#deps.logger.warn({ error: errorMessage(error) }, "gossip goes by streams alone");
      return;
    }
    socket.on("error", (error) => this.#note("socketFailed", "", errorMessage(error)));
    socket.on("message", (bytes, source) => this.#arrived(bytes, source));
    socket.setRecvBufferSize(receiveBufferBytes);
    this.#socket = socket;
  }

  stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    return Promise.resolve();
  }

  onFrame(receive: (from: PeerId, frame: Uint8Array) => void): void {
    this.#receive = receive;
  }

  setRing(ring: KeyRing): void {
    this.#envelopes.setRing(ring);
  }

  setPeer(peer: PeerId, bootId: string | null): void {
    this.#envelopes.setPeer(peer, bootId);
    if (bootId !== null) return;
    this.#destinations.delete(peer);
    this.#lookedUpAt.delete(peer);
  }

  /** `host:port` where the member's datagrams are to go. */
  setAddress(peer: PeerId, address: string): void {
    const parsed = parseHostPort(address);
    const before = this.#destinations.get(peer);
    if (parsed === null || (before?.host === parsed.host && before.port === parsed.port)) return;
    const ip = isIP(parsed.host) === 0 ? null : this.#inFamily(parsed.host);
    this.#destinations.set(peer, { ...parsed, ip });
    this.#lookedUpAt.delete(peer);
  }

  /** True when a frame to `to` would leave as a datagram now. */
  reaches(to: PeerId): boolean {
    return this.#socket !== null && this.#envelopes.canSeal(to) && this.#destinationOf(to) !== null;
  }

  /** False when it was dropped at once. */
  send(to: PeerId, frame: Uint8Array): boolean {
    const socket = this.#socket;
    const destination = this.#destinationOf(to);
    if (socket === null || destination === null) return false;
    if (socket.getSendQueueSize() > queueBytesMax) {
      this.#meter.dropped("queueFull");
      return false;
    }
    const sealed = this.#envelopes.seal(to, frame);
    if (sealed === null || sealed.byteLength > datagramBytesMax) return false;
    const { ip, port } = destination;
    socket.send(sealed, port, ip ?? "", (error) => {
      if (error !== null) this.#unsent(`${ip}:${port}`, errorMessage(error));
    });
    this.#meter.sent(sealed.byteLength);
    return true;
  }

  stats(): LaneStats {
    return this.#meter.stats(this.#socket !== null);
  }

  #arrived(bytes: Uint8Array, source: RemoteInfo): void {
    const now = this.#deps.clock.monotonicMs();
    const from = `${source.address}:${source.port}`;
    const hearing = this.#guard.hear(from, now);
    if (hearing !== "heard") {
      this.#meter.dropped(hearing === "cut" ? "sourceCut" : "sourcesMany");
      if (hearing === "crowded") this.#tellCrowd(now);
      return;
    }
    const opened = this.#envelopes.open(bytes);
    if (opened.from !== null) {
      this.#guard.good(from);
      this.#meter.received(bytes.byteLength);
      this.#receive(opened.from, opened.frame);
      return;
    }
    this.#note(opened.refused, from, "");
    if (this.#guard.bad(from, now)) this.#tellCut(from, now);
  }

  /** A source can be forged, another one with each datagram: neither do the lines become many. */
  #tellCut(from: string, now: number): void {
    const count = this.#cutLog.take(now);
    if (count === 0) return;
    const text = "too many datagrams that do not open, ignoring their source";
    this.#deps.logger.warn({ from, count }, text);
  }

  #tellCrowd(now: number): void {
    const count = this.#crowdLog.take(now);
    if (count === 0) return;
    const text = "too many datagrams that do not open, from many sources: hears only known ones";
    this.#deps.logger.warn({ count }, text);
  }

  /** A firewall of this host may refuse datagrams on purpose: without need for them that is no trouble. */
  #unsent(address: string, detail: string): void {
    if (this.#options.isNeeded) this.#note("sendFailed", address, detail);
    else this.#meter.dropped("sendFailed");
  }

  /** Counts what was dropped, and says so at most once in ten seconds for each reason. */
  #note(reason: string, address: string, detail: string): void {
    this.#meter.dropped(reason);
    const log = this.#logs.get(reason) ?? new RateLimit({ periodMs: logMs });
    this.#logs.set(reason, log);
    const count = log.take(this.#deps.clock.monotonicMs());
    if (count === 0) return;
    this.#deps.logger.warn({ reason, address, detail, count }, "datagram dropped");
  }

  #destinationOf(peer: PeerId): Destination | null {
    const destination = this.#destinations.get(peer);
    if (destination === undefined) return null;
    if (isIP(destination.host) === 0) this.#lookUp(peer, destination);
    return destination.ip === null ? null : destination;
  }

  /** Streams carry the frames until the name is known. */
  #lookUp(peer: PeerId, destination: Destination): void {
    const now = this.#deps.clock.monotonicMs();
    if (now - (this.#lookedUpAt.get(peer) ?? -Infinity) < lookupMs) return;
    this.#lookedUpAt.set(peer, now);
    lookup(destination.host, { family: this.#family === 4 ? 4 : 0 }, (error, address) => {
      if (error === null) destination.ip = this.#inFamily(address);
    });
  }

  /** The address as this socket can send to it; null: only streams reach it. */
  #inFamily(ip: string): string | null {
    if (isIP(ip) === this.#family) return ip;
    return this.#family === 6 ? `::ffff:${ip}` : null;
  }
}

function familyOf(listen: string): 4 | 6 {
  return isIP(parseHostPort(listen)?.host ?? "") === 6 ? 6 : 4;
}

/** A socket on the UDP port of `listen`. @throws AgentError PORT_IN_USE, LISTEN_FAILED */
export async function bindDatagrams(listen: string, signal: AbortSignal): Promise<Socket> {
  const { host, port } = parseHostPort(listen) ?? { host: "", port: 0 };
  const type = familyOf(listen) === 6 ? "udp6" : "udp4";
  const socket = createSocket({ type, reuseAddr: false });
  try {
    const bound = once(socket, "listening", { signal });
    socket.bind(port, host);
    await bound;
    return socket;
  } catch (error) {
    socket.close();
    throw bindError(listen, error);
  }
}

function bindError(listen: string, cause: unknown): AgentError {
  const details = { listen };
  if (errorCode(cause) === "EADDRINUSE") {
    const text = `Could not take datagrams on ${listen}: the UDP port is in use. Stop the other process (find it with: ss -lnup), or start with --gossip-udp off.`;
    return new AgentError(P2pCode.portInUse, text, details, { cause });
  }
  const text = `Could not take datagrams on ${listen}: ${errorMessage(cause)}. Give another address with --listen, or start with --gossip-udp off.`;
  return new AgentError(P2pCode.listenFailed, text, details, { cause });
}
