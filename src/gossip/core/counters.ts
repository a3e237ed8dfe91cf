/** What happened since the start, and what was refused and why: for health, metrics and tests. */
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

export class Counters {
  readonly #values = new Map<CounterName, number>();
  #forger: Ix | null = null;

  add(name: CounterName, count = 1): void {
    this.#values.set(name, this.get(name) + count);
  }

  /** `carrier` brought something that its author did not sign. */
  forged(carrier: Ix): void {
    this.add("badSignature");
    this.#forger = carrier;
  }

  /** The last one who brought such a thing since this was asked. */
  takeForger(): Ix | null {
    const forger = this.#forger;
    this.#forger = null;
    return forger;
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
