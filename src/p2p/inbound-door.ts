/**
 * Connections that come in and come to nothing: garbage, half a handshake, a stranger that nobody admits. Each costs
 * work and, while it lasts, a place among those whose handshake is under way. So an address from which too many come is
 * not heard for a minute, and may have few under way at once, unless members are there too: many agents may be behind
 * one.
 */
import { isIP } from "node:net";
import { type MultiaddrConnection } from "@libp2p/interface";
import { type Multiaddr } from "@multiformats/multiaddr";
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Slowness } from "../base/slowness.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { fromMultiaddr, parseHostPort } from "./address.ts";
import { P2pCode } from "./errors.ts";
import { SourceGuard } from "./source-guard.ts";

export interface DoorCounters {
  /** With a peer that proved who it is. */
  readonly opened: number;
  /** Closed before that, or a stranger's that was not admitted. */
  readonly failed: number;
  /** Closed unread. */
  readonly refused: number;
}

/** Of connections that came in, and of what strangers asked for. */
export interface MeshCounters extends DoorCounters {
  readonly refusedStreams: number;
  /** Their peer was proven, and there were too many such. */
  readonly refusedStrangers: number;
}

export type Arrival = Pick<MultiaddrConnection, "remoteAddr" | "addEventListener" | "abort">;

/**
 * A handshake from an address where no member was met has so long, and as many times longer as this machine is slow.
 * Members have the library's time, which is as long as a busy machine may need.
 */
export const strangeMs = 15_000;
/**
 * Handshakes under way at once with an address where no member was met, and with all such: what says nothing holds a
 * place for a quarter of a minute, and the library has 512 in all.
 */
export const underWayMax = 128;
export const strangeMax = 384;
const logMs = 10_000;

export interface InboundDoorDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly slowness: Pick<Slowness, "factor">;
  /** False while this agent belongs to no cluster. */
  readonly isOpen: () => boolean;
}

export class InboundDoor {
  readonly #clock: Clock;
  readonly #slowness: Pick<Slowness, "factor">;
  readonly #isOpen: () => boolean;
  readonly #logger: Logger;
  readonly #guard = new SourceGuard({ sparesGenuine: true });
  readonly #log = new RateLimit({ periodMs: logMs });
  readonly #crowdLog = new RateLimit({ periodMs: logMs });
  /** With what ends the limit of its time. */
  readonly #underWay = new Map<Arrival, { readonly host: string; readonly unlimit: () => void }>();
  readonly #counts = new Map<string, number>();
  readonly #counters = { opened: 0, failed: 0, refused: 0 };

  constructor({ clock, logger, slowness, isOpen }: InboundDoorDependencies) {
    this.#clock = clock;
    this.#slowness = slowness;
    this.#logger = logger;
    this.#isOpen = isOpen;
  }

  counters(): DoorCounters {
    return { ...this.#counters };
  }

  /** Something connected. True when it is to be closed unread. */
  refuses(arrival: Arrival): boolean {
    if (!this.#isOpen()) {
      // Members that heard of a newcomer before it has the answer that lets it in: a handshake with each would delay that.
      this.#counters.refused += 1;
      return true;
    }
    const host = hostOf(arrival.remoteAddr);
    const hearing = this.#guard.hear(host, this.#clock.monotonicMs());
    const isFull = !this.#guard.isGenuine(host) && this.#isFullFor(host);
    if (hearing !== "heard" || isFull) {
      this.#counters.refused += 1;
      if (hearing !== "cut") this.#tellCrowd(host);
      return true;
    }
    this.#underWay.set(arrival, { host, unlimit: this.#limit(arrival, host) });
    this.#counts.set(host, (this.#counts.get(host) ?? 0) + 1);
    arrival.addEventListener("close", () => {
      if (this.#ends(arrival)) this.failed(arrival.remoteAddr);
    });
    return false;
  }

  /** Its peer proved who it is, and there are too many like it: no fault of its own. */
  turnedAway(arrival: Arrival): void {
    if (this.#ends(arrival)) this.#counters.refused += 1;
  }

  /** Its peer proved who it is. */
  opened(arrival: Arrival): void {
    if (this.#ends(arrival)) this.#counters.opened += 1;
  }

  /** A member is at this address, whoever made the connection. */
  met(address: Multiaddr): void {
    this.#guard.good(hostOf(address));
  }

  /** A member that was there is none any more. */
  forget(address: Multiaddr): void {
    this.#guard.forget(hostOf(address));
  }

  /** A connection from there came to nothing. */
  failed(address: Multiaddr): void {
    this.#counters.failed += 1;
    const from = hostOf(address);
    const now = this.#clock.monotonicMs();
    if (!this.#guard.bad(from, now)) return;
    const count = this.#log.take(now);
    if (count === 0) return;
    const text = this.#guard.isGenuine(from)
      ? "too many connections that come to nothing, from an address where members are: not refused"
      : "too many connections that come to nothing, refusing their source for a minute";
    this.#logger.warn({ from, count }, text);
  }

  /** Members are heard all the same; who joins is refused with the others, and must not wonder. */
  #tellCrowd(from: string): void {
    const count = this.#crowdLog.take(this.#clock.monotonicMs());
    if (count === 0) return;
    const text =
      "too many connections that come to nothing, or say nothing: refusing addresses where no member was met, also of newcomers";
    this.#logger.warn({ from, count }, text);
  }

  #limit(arrival: Arrival, host: string): () => void {
    return this.#clock.setTimer(strangeMs * this.#slowness.factor, () => {
      if (this.#guard.isGenuine(host)) return;
      arrival.abort(new AgentError(P2pCode.peerLost, "The handshake took too long."));
    });
  }

  #isFullFor(host: string): boolean {
    if ((this.#counts.get(host) ?? 0) >= underWayMax) return true;
    if (this.#underWay.size < strangeMax) return false;
    let strange = 0;
    for (const [other, count] of this.#counts) if (!this.#guard.isGenuine(other)) strange += count;
    return strange >= strangeMax;
  }

  /** False when it was not under way any more. */
  #ends(arrival: Arrival): boolean {
    const known = this.#underWay.get(arrival);
    if (known === undefined) return false;
    const { host, unlimit } = known;
    unlimit();
    this.#underWay.delete(arrival);
    const left = (this.#counts.get(host) ?? 1) - 1;
    if (left > 0) this.#counts.set(host, left);
    else this.#counts.delete(host);
    return true;
  }
}

/** Whoever has an IPv6 address has 2^64 of them, so all of a /64 count as one. */
function hostOf(address: Multiaddr): string {
  const text = fromMultiaddr(address);
  const host = parseHostPort(text)?.host ?? text;
  if (isIP(host) !== 6) return host;
  const groups = groupsOf(host);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!isMapped)
    return groups
      .slice(0, 4)
      .map((group) => group.toString(16))
      .join(":");
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight numbers of an IPv6 address, however it is written. */
function groupsOf(host: string): readonly number[] {
  const { hostname } = new URL(`http://[${host}]/`);
  const [front = "", back] = hostname.slice(1, -1).split("::");
  const parse = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [parse(front), parse(back ?? "")];
  return back === undefined
    ? first
    : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}
