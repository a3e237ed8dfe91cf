/**
 * Connections that come in and come to nothing: garbage, half a handshake, a stranger that nobody admits. Each costs
 * work and, while it lasts, a place among those whose handshake is under way. So an address from which too many come is
 * not heard for a minute, and may have few under way at once, unless members are there too: many agents may be behind
 * one.
 */
import { type MultiaddrConnection } from "@libp2p/interface";
import { type Multiaddr } from "@multiformats/multiaddr";
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { fromMultiaddr, parseHostPort } from "./address.ts";
import { SourceGuard } from "./source-guard.ts";

export interface DoorCounters {
  /** With a peer that proved who it is. */
  readonly opened: number;
  /** Closed before that, or a stranger's that was not admitted. */
  readonly failed: number;
  /** Closed unread. */
  readonly refused: number;
}

export type Arrival = Pick<MultiaddrConnection, "remoteAddr" | "addEventListener">;

/**
 * Handshakes under way at once with an address where no member was met, and with all such: what says nothing holds a
 * place for a quarter of a minute, and the library has 512 in all.
 */
export const underWayMax = 128;
export const strangeMax = 384;
const logMs = 10_000;

export class InboundDoor {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #guard = new SourceGuard({ sparesGenuine: true });
  readonly #log = new RateLimit({ periodMs: logMs });
  readonly #underWay = new Map<Arrival, string>();
  readonly #counts = new Map<string, number>();
  readonly #counters = { opened: 0, failed: 0, refused: 0 };

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  counters(): DoorCounters {
    return { ...this.#counters };
  }

  /** Something connected. True when it is to be closed unread. */
  refuses(arrival: Arrival): boolean {
    const host = hostOf(arrival.remoteAddr);
    const isHeard = this.#guard.hear(host, this.#clock.monotonicMs()) === "heard";
    if (!isHeard || (!this.#guard.isGenuine(host) && this.#isFullFor(host))) {
      this.#counters.refused += 1;
      return true;
    }
    this.#underWay.set(arrival, host);
    this.#counts.set(host, (this.#counts.get(host) ?? 0) + 1);
    arrival.addEventListener("close", () => {
      if (this.#ends(arrival)) this.failed(arrival.remoteAddr);
    });
    return false;
  }

  /** Its peer proved who it is. */
  opened(arrival: Arrival): void {
    if (this.#ends(arrival)) this.#counters.opened += 1;
  }

  /** A member is at this address, whoever made the connection. */
  met(address: Multiaddr): void {
    this.#guard.good(hostOf(address));
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

  #isFullFor(host: string): boolean {
    if ((this.#counts.get(host) ?? 0) >= underWayMax) return true;
    if (this.#underWay.size < strangeMax) return false;
    let strange = 0;
    for (const [other, count] of this.#counts) if (!this.#guard.isGenuine(other)) strange += count;
    return strange >= strangeMax;
  }

  /** False when it was not under way any more. */
  #ends(arrival: Arrival): boolean {
    const host = this.#underWay.get(arrival);
    if (host === undefined) return false;
    this.#underWay.delete(arrival);
    const left = (this.#counts.get(host) ?? 1) - 1;
    if (left > 0) this.#counts.set(host, left);
    else this.#counts.delete(host);
    return true;
  }
}

function hostOf(address: Multiaddr): string {
  const text = fromMultiaddr(address);
  return parseHostPort(text)?.host ?? text;
}
