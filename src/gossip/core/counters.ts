/** What happened since the start, and what was refused and why: for health, metrics and tests. */
import { type LaneName } from "../ports.ts";
import { type Ix } from "./types.ts";

export const counterNames = [
  /** Direct probes begun; each ends as acked or failed, or is given up because this host stood still. */
  "probesSent",
  "probesAcked",
  "probesFailed",
  /** Requests to probe somebody that were sent, and that were served for others. */
  "indirectAsked",
  "indirectServed",
  /** Probes that only the lane answered that is not the usual one. */
  "probesOtherLane",
  /** Members that became suspect here, and failed here. */
  "suspicions",
  "failures",
  /** Members that were suspect, or failed, and turned out to be alive in the same life. */
  "falseSuspicions",
  "falseFailures",
  /** Accusations against this agent that it denied. */
  "refutations",
  "syncsStarted",
  "syncsSame",
  "syncsDiffered",
  "syncsFailed",
  "syncsBusy",
  "eventsSent",
  "eventsDelivered",
  "eventsRepeated",
  "eventsOld",
  /** Refused: what, and why. */
  "accusationsAhead",
  "badSignature",
  "eventsRefused",
  "incompatible",
  "membersFull",
  "notAdmitted",
  "misdirected",
  "tombstoned",
  "conflicts",
  /** Dropped because too much waited: rumours to be sent, and frames that arrived. */
  "queueTrimmed",
  "inboundOverload",
  "inboundFlood",
  "inboundMalformed",
] as const;
export type CounterName = (typeof counterNames)[number];

/** Only a stream proves that it was the carrier: a datagram can be sealed in its name by all who know the ring. */
export interface Forgery {
  readonly carrier: Ix;
  readonly lane: LaneName;
}

export class Counters {
  readonly #values = new Map<CounterName, number>();
  #lane: LaneName = "stream";
  #forgery: Forgery | null = null;

  add(name: CounterName, count = 1): void {
    this.#values.set(name, this.get(name) + count);
  }

  /** What is judged from now on came over `lane`. */
  hearing(lane: LaneName): void {
    this.#lane = lane;
  }

  /** `carrier` brought something that its author did not sign. */
  forged(carrier: Ix): void {
    this.add("badSignature");
    this.#forgery = { carrier, lane: this.#lane };
  }

  /** The last such thing since this was asked. */
  takeForgery(): Forgery | null {
    const forgery = this.#forgery;
    this.#forgery = null;
    return forgery;
  }

  get(name: CounterName): number {
    return this.#values.get(name) ?? 0;
  }

  all(): Readonly<Record<CounterName, number>> {
    const all: Partial<Record<CounterName, number>> = {};
    for (const name of counterNames) all[name] = this.get(name);
    return all as Record<CounterName, number>;
  }
}
