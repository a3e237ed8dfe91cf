/**
 * User events (serf's): an agent tells all others something, once. A Lamport clock orders them: it grows with each
 * event told here, and past each one heard. A ring over the last Lamport times tells news from repeats; what is
 * older than the ring is dropped. The newest events also travel with syncs, for those who missed the rumour.
 */
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type Counters } from "./counters.ts";
import { type Directory, mix32 } from "./directory.ts";
import { type Membership } from "./membership.ts";
import { messageBytes } from "./sizes.ts";
import {
  type EventMark,
  type Ix,
  type JoinPolicy,
  type RecordAuthority,
  type SignedEvent,
  type Turn,
} from "./types.ts";

export interface UserEventsDependencies {
  readonly self: Ix;
  readonly directory: Directory;
  readonly queue: BroadcastQueue;
  readonly membership: Pick<Membership, "isEvicted">;
  readonly authority: RecordAuthority;
  readonly policy: JoinPolicy;
  readonly counters: Counters;
}

/** Lamport times that are remembered (serf's EventBuffer). */
export const eventRing = 512;
/** Events kept in all: many may share a time. */
const eventsMax = 1024;
/** Events that a sync carries. */
export const syncEventsMax = 32;
/** A Lamport time further ahead than this is an error or an attack: clocks have 48 bits, and are not to be used up. */
const jumpMax = 2 ** 32;
export const ltimeMax = 2 ** 48 - 1;
/** What one origin may tell: a burst, and then so many a second. Beyond it an event is neither told nor passed on. */
const burst = 64;
const perSecond = 8;
const originsMax = 1024;

interface Heard {
  readonly event: SignedEvent;
  readonly hash: number;
}

interface Allowance {
  tokens: number;
  at: number;
}

export class UserEvents {
  readonly #deps: UserEventsDependencies;
  /** By Lamport time, in order of arrival; at most `eventsMax` events. */
  readonly #heard = new Map<number, readonly Heard[]>();
  readonly #allowances = new Map<Ix, Allowance>();
  #count = 0;
  #clock: number;
  /** Events up to here are old: neither told, nor passed on, nor kept. */
  #floor = 0;
  /** Events up to here were delivered in an earlier life, or before this agent joined. */
  #deliveredTo: number;
  #isNewcomer: boolean;

  constructor(start: { readonly clock: number }, dependencies: UserEventsDependencies) {
    this.#deps = dependencies;
    this.#clock = start.clock;
    this.#floor = Math.max(0, start.clock - eventRing);
    this.#deliveredTo = start.clock;
    this.#isNewcomer = start.clock === 0;
  }

  get clock(): number {
    return this.#clock;
  }

  /** Tells all. False when this agent tells too much. */
  tell(turn: Turn, name: string, payload: Uint8Array): boolean {
    const { directory, authority, counters, self } = this.#deps;
    if (this.#clock >= ltimeMax || !this.#affords(turn, self)) {
      counters.add("eventsRefused");
      return false;
    }
    this.#isNewcomer = false;
    const ltime = this.#clock + 1;
    const origin = directory.id(self);
    const event = authority.sealEvent({ ltime, origin, name, payload });
    counters.add("eventsSent");
    this.#take(turn, event);
    return true;
  }

  /** Takes an event that `carrier` brought. True when it is news here. */
  hear(turn: Turn, event: SignedEvent, carrier: Ix): boolean {
    const { authority, counters } = this.#deps;
    const { ltime } = event.body;
    if (ltime <= this.#floor) {
      counters.add("eventsOld");
      return false;
    }
    if (this.#isKnown(event)) {
      counters.add("eventsRepeated");
      return false;
    }
    const origin = this.#originOf(event, carrier);
    if (origin < 0 || ltime > this.#clock + jumpMax) {
      counters.add("eventsRefused");
      return false;
    }
    if (!authority.verifyEvent(event)) {
      counters.forged(carrier);
      return false;
    }
    // Last, so that nobody uses up another one's allowance.
    if (!this.#affords(turn, origin)) {
      counters.add("eventsRefused");
      return false;
    }
    this.#take(turn, event);
    return true;
  }

  /** The other side's clock, from a sync. Who just joined is not told what was before. */
  witness(clock: number): void {
    if (clock > this.#clock + jumpMax) return;
    if (this.#isNewcomer) this.#deliveredTo = Math.max(this.#deliveredTo, clock);
    this.#isNewcomer = false;
    this.#clock = Math.max(this.#clock, clock);
  }

  /** The newest events, in the same order on every agent that heard the same. */
  newest(): readonly SignedEvent[] {
    return this.#newest().map(({ event }) => event);
  }

  mark(): EventMark {
    let hash = 0;
    for (const heard of this.#newest()) hash = (hash ^ heard.hash) >>> 0;
    return { clock: this.#clock, hash };
  }

  #newest(): readonly Heard[] {
    const newest: Heard[] = [];
    for (const time of [...this.#heard.keys()].sort((a, b) => b - a)) {
      if (newest.length >= syncEventsMax) break;
      const told = (this.#heard.get(time) ?? []).filter(({ event }) => !this.#isBanned(event));
      newest.push(...told.sort((a, b) => a.hash - b.hash));
    }
    return newest.slice(0, syncEventsMax);
  }

  #isBanned(event: SignedEvent): boolean {
    const { directory, membership } = this.#deps;
    return membership.isEvicted(directory.find(event.body.origin));
  }

  /** -1 when nobody vouches for the origin. One that is no longer, or not yet, known here may have told it. */
  #originOf(event: SignedEvent, carrier: Ix): Ix {
    const { directory, policy } = this.#deps;
    const { origin } = event.body;
    if (this.#isBanned(event)) return -1;
    const known = directory.find(origin);
    if (known >= 0) return known;
    return policy.mayJoin(origin, directory.id(carrier)) ? directory.intern(origin) : -1;
  }

  #take(turn: Turn, event: SignedEvent): void {
    const { ltime } = event.body;
    this.#clock = Math.max(this.#clock, ltime);
    const heard = { event, hash: hashOf(event.bytes) };
    this.#heard.set(ltime, [...(this.#heard.get(ltime) ?? []), heard]);
    this.#count += 1;
    this.#forgetOld();
    const notice = { kind: "event", event } as const;
    this.#deps.queue.pushEvent(notice, messageBytes(notice));
    if (ltime <= this.#deliveredTo) return;
    this.#deps.counters.add("eventsDelivered");
    turn.out.userEvent(event.body);
  }

  #isKnown(event: SignedEvent): boolean {
    const same = this.#heard.get(event.body.ltime) ?? [];
    return same.some((other) => isSameEvent(other.event, event));
  }

  /** Raises the floor first: what is forgotten must not count as news when it comes again. */
  #forgetOld(): void {
    this.#floor = Math.max(this.#floor, this.#clock - eventRing);
    if (this.#count > eventsMax) {
      const times = [...this.#heard.keys()].sort((a, b) => a - b);
      this.#floor = Math.max(this.#floor, times[times.length >> 2] ?? 0);
    }
    for (const [ltime, events] of this.#heard) {
      if (ltime > this.#floor) continue;
      this.#heard.delete(ltime);
      this.#count -= events.length;
    }
  }

  #affords(turn: Turn, origin: Ix): boolean {
    const known = this.#allowances.get(origin);
    const allowance = known ?? { tokens: burst, at: turn.now };
    const refill = (Math.max(0, turn.now - allowance.at) / 1000) * perSecond;
    allowance.tokens = Math.min(burst, allowance.tokens + refill);
    allowance.at = turn.now;
    if (known === undefined) {
      const [oldest] = this.#allowances.keys();
      if (this.#allowances.size >= originsMax && oldest !== undefined) {
        this.#allowances.delete(oldest);
      }
      this.#allowances.set(origin, allowance);
    }
    if (allowance.tokens < 1) return false;
    allowance.tokens -= 1;
    return true;
  }
}

/** FNV-1a, finished so that few differing bytes change all bits. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return mix32(hash);
}

export function isSameEvent(one: SignedEvent, other: SignedEvent): boolean {
  const a = one.bytes;
  const b = other.bytes;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
