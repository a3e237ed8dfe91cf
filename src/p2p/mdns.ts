/**
 * Finds members on the local network by multicast DNS, and is found. Asks while somebody searches: at once, then after
 * 1, 2, 4 … 30 s; answers at most once a second per interface (RFC 6762 §5.2, §6). Interfaces come and go (DHCP at
 * boot), so they are looked at again and again.
 */
import { networkInterfaces } from "node:os";
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { formatHostPort, type HostPort } from "./address.ts";
import {
  announcement,
  instancesIn,
  type MdnsRecord,
  nameService,
  serviceName,
} from "./mdns-records.ts";
import { type MdnsSocket, type OpenMdnsSocket } from "./mdns-socket.ts";

/** An IPv4 address of this machine and the interface that has it. */
export interface Nic {
  readonly name: string;
  readonly address: string;
  readonly isInternal: boolean;
}

export interface MdnsOptions {
  /** Names or addresses of interfaces; empty: all but loopback. */
  readonly interfaces: readonly string[];
  /** Names this agent among the answers: lower-case letters, digits and "-". */
  readonly label: string;
}

export interface MdnsDeps {
  readonly open: OpenMdnsSocket;
  readonly nics: () => readonly Nic[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Where peers find this agent when they ask on the interface with this address. */
export type AddressOn = (interfaceAddress: string) => HostPort;

const rescanMs = 5_000;
const firstAskMs = 1_000;
const maxAskMs = 30_000;
const minAnswerGapMs = 1_000;
const maxFound = 256;
const malformedLogMs = 60_000;
const maxTtlMs = 600_000;

interface Seat {
  readonly socket: MdnsSocket;
  answeredAt: number;
  cancelAnswer: (() => void) | null;
}

export function systemNics(): readonly Nic[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries = []]) =>
    entries
      .filter(({ family }) => family === "IPv4")
      .map(({ address, internal }) => ({ name, address, isInternal: internal })),
  );
}

export class MdnsDiscovery implements Service {
  readonly name = "mdns";
  readonly #options: MdnsOptions;
  readonly #deps: MdnsDeps;
  readonly #background: Background;
  readonly #seats = new Map<string, Seat>();
  readonly #found = new Map<string, { readonly address: HostPort; readonly endsAt: number }>();
  readonly #listeners = new Set<() => void>();
  #service: string | null = null;
  /** Another name of the same, for answers alone. */
  #alias: string | null = null;
  #addressOn: AddressOn | null = null;
  #searching = false;
  #askAgain: () => void = () => undefined;
  #warned = "";
  readonly #malformedLog = new RateLimit({ periodMs: malformedLogMs });

  constructor(options: MdnsOptions, deps: MdnsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("mdns interfaces", async (signal) => {
      for (;;) {
        this.#scan();
        await delay(this.#deps.clock, rescanMs, signal);
      }
    });
    this.#background.run("mdns questions", (signal) => this.#askWhileSearching(signal));
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.#background.close();
    if (this.#addressOn !== null) this.#tellAll(true);
    const seats = [...this.#seats.values()];
    this.#seats.clear();
    for (const { cancelAnswer } of seats) cancelAnswer?.();
    await Promise.all(seats.map(({ socket }) => socket.close()));
  }

  /** Which cluster's members to look for; `clusterName`: its members also answer those who know that alone. */
  use(clusterId: string, clusterName?: string): void {
    const service = serviceName(clusterId);
    if (service !== this.#service) this.#found.clear();
    this.#service = service;
    this.#alias = clusterName === undefined ? null : nameService(clusterName);
  }

  /** Looks for members of any cluster of this name. */
  useName(clusterName: string): void {
    this.#service = nameService(clusterName);
  }

  /** While true, questions go out; while false, this agent only listens and answers. */
  search(on: boolean): void {
    if (on === this.#searching) return;
    this.#searching = on;
    this.#askAgain();
  }

  /** From now on this agent answers, as a member of the cluster in use; and it says so at once. */
  announce(addressOn: AddressOn): void {
    this.#addressOn = addressOn;
    for (const [address, seat] of this.#seats) this.#answerSoon(address, seat);
  }

  addresses(): readonly HostPort[] {
    const now = this.#deps.clock.monotonicMs();
    for (const [key, { endsAt }] of this.#found) if (endsAt <= now) this.#found.delete(key);
    return [...this.#found.values()].map(({ address }) => address);
  }

  onFound(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Opens sockets on interfaces that are new and closes those of interfaces that are gone. */
  #scan(): void {
    const wanted = new Set(this.#chosen());
    for (const [address, seat] of this.#seats) {
      if (wanted.has(address)) continue;
      this.#seats.delete(address);
      seat.cancelAnswer?.();
      this.#background.run("close mdns socket", () => seat.socket.close());
    }
    for (const address of wanted) {
      if (this.#seats.has(address)) continue;
      const socket = this.#deps.open(address, {
        asked: (service) => this.#asked(address, service),
        told: (records) => this.#told(records),
        failed: (error) => this.#failed(address, error),
        malformed: (error) => this.#malformed(address, error),
      });
      const seat: Seat = { socket, answeredAt: -Infinity, cancelAnswer: null };
      this.#seats.set(address, seat);
      if (this.#addressOn !== null) this.#answerSoon(address, seat);
      this.#askAgain();
    }
    if (wanted.size === 0) this.#warn("no interface to discover on");
  }

  #chosen(): readonly string[] {
    const { interfaces } = this.#options;
    const isChosen = ({ name, address, isInternal }: Nic): boolean =>
      interfaces.length === 0
        ? !isInternal
        : interfaces.includes(name) || interfaces.includes(address);
    return this.#deps
      .nics()
      .filter(isChosen)
      .map(({ address }) => address);
  }

  async #askWhileSearching(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    let pauseMs = firstAskMs;
    for (;;) {
      const hurry = new AbortController();
      this.#askAgain = () => hurry.abort();
      // All machines of a rack boot together: a random moment keeps them from asking as one.
      const waitMs = this.#searching ? 20 + random.float() * 100 : rescanMs;
      await delay(clock, waitMs, AbortSignal.any([signal, hurry.signal])).catch(() => undefined);
      signal.throwIfAborted();
      if (!this.#searching || hurry.signal.aborted) {
        pauseMs = firstAskMs;
        continue;
      }
      const service = this.#service;
      if (service !== null) for (const { socket } of this.#seats.values()) socket.ask(service);
      await delay(clock, pauseMs, AbortSignal.any([signal, hurry.signal])).catch(() => undefined);
      signal.throwIfAborted();
      pauseMs = hurry.signal.aborted ? firstAskMs : Math.min(maxAskMs, pauseMs * 2);
    }
  }

  #asked(address: string, service: string): void {
    const seat = this.#seats.get(address);
    const isMeant = service === this.#service || service === this.#alias;
    if (isMeant && seat !== undefined) this.#answerSoon(address, seat);
  }

  #answerSoon(address: string, seat: Seat): void {
    if (this.#addressOn === null || seat.cancelAnswer !== null) return;
    const { clock, random } = this.#deps;
    const gap = seat.answeredAt + minAnswerGapMs - clock.monotonicMs();
    const waitMs = Math.max(gap, 20 + random.float() * 100);
    seat.cancelAnswer = clock.setTimer(waitMs, () => {
      seat.cancelAnswer = null;
      seat.answeredAt = clock.monotonicMs();
      this.#tell(address, seat, false);
    });
  }

  #tellAll(leaves: boolean): void {
    for (const [address, seat] of this.#seats) this.#tell(address, seat, leaves);
  }

  #tell(interfaceAddress: string, seat: Seat, leaves: boolean): void {
    if (this.#service === null || this.#addressOn === null) return;
    const address = this.#addressOn(interfaceAddress);
    const { label } = this.#options;
    const records = [this.#service, this.#alias].flatMap((service) =>
      service === null ? [] : announcement(service, { label, address }, leaves),
    );
    seat.socket.tell(records);
  }

  #told(records: readonly MdnsRecord[]): void {
    if (this.#service === null) return;
    const now = this.#deps.clock.monotonicMs();
    let isNews = false;
    for (const { label, address, ttlMs } of instancesIn(this.#service, records)) {
      if (label === this.#options.label) continue;
      const key = formatHostPort(address);
      const isKnown = this.#found.delete(key);
      if (ttlMs === 0) continue;
      this.#found.set(key, { address, endsAt: now + Math.min(ttlMs, maxTtlMs) });
      isNews ||= !isKnown;
    }
    this.#forgetOldest();
    if (isNews) for (const listener of [...this.#listeners]) listener();
  }

  #forgetOldest(): void {
    for (const key of this.#found.keys()) {
      if (this.#found.size <= maxFound) return;
      this.#found.delete(key);
    }
  }

  #failed(address: string, error: Error): void {
    this.#warn(`${address}: ${errorMessage(error)}`);
  }

  /** Whoever is on the network can send anything, however often. */
  #malformed(address: string, error: Error): void {
    const count = this.#malformedLog.take(this.#deps.clock.monotonicMs());
    if (count === 0) return;
    const data = { interface: address, error: errorMessage(error), count };
    this.#deps.logger.warn(data, "multicast DNS packets that cannot be read, ignoring them");
  }

  /** The same trouble is told once: a network without multicast reports it with every packet. */
  #warn(reason: string): void {
    if (reason === this.#warned) return;
    this.#warned = reason;
    this.#deps.logger.warn({ reason }, "discovery by mDNS has trouble");
  }
}
