/**
 * Whom an agent greets, and when: a few while a leader is in sight, everybody while none is. A greeting in either
 * direction counts for both.
 */
import { sha256Hex } from "../../base/digest.ts";
import { type NodeId } from "../core/types.ts";
import { type CoordinatorTimings, scaledTimings } from "./coordinator-timings.ts";
import { type CoordinatorEffect, type LocalFacts } from "./coordinator-types.ts";
import { type PeerViews } from "./peer-views.ts";
import { acquaintances, strangers } from "./self-report.ts";

type Effects = readonly CoordinatorEffect[];

/** Of those that the leader waits for, so many are greeted at once. */
const awaitedAtOnce = 5;
/**
 * Between two greetings of anybody, while a leader is in sight. Another history is met by many at once, who act on it
 * and tell their neighbours, so that what counts is how often somebody greets somebody; with twenty acquaintances every
 * ten seconds each, greetings would be most of what an idle agent sends.
 */
const calmGreetingMs = 2000;
/** The same while none is: those who start at once need their machines to elect one. */
const electingGreetingMs = 250;
/** At a time: who are due together would be so for ever, and nobody would greet anybody in between. */
const greetedAtOnce = 2;

export class Greetings {
  readonly #self: NodeId;
  readonly #timings: CoordinatorTimings;
  readonly #peers: PeerViews;
  /** Where in a period this agent greets strangers: a member with a new place is one to all others at once. */
  readonly #phase: number;
  readonly #strangers = new Map<NodeId, number>();

  constructor(
    { self, timings }: { readonly self: NodeId; readonly timings: CoordinatorTimings },
    peers: PeerViews,
  ) {
    this.#self = self;
    this.#timings = timings;
    this.#peers = peers;
    this.#phase = Number.parseInt(sha256Hex(self).slice(0, 8), 16) / 2 ** 32;
  }

  /** While an ordinary election may still bring a leader, or there is one. */
  calm(now: number, facts: LocalFacts): Effects {
    const known = acquaintances(this.#self, facts);
    // These are few however large the cluster is: each less often, the more there are, while nothing is amiss.
    const eachMs = (facts.leader === null ? electingGreetingMs : calmGreetingMs) * facts.slowness;
    const everyMs = Math.max(periodOf(this.#timings, facts), known.length * eachMs);
    const longest = this.#peers.longestUngreeted(known, now, everyMs).slice(0, greetedAtOnce);
    return [...this.#greet(longest, now, everyMs), ...this.#meet(now, facts)];
  }

  /** Without a quorum: those who are asked who is left, in one go. */
  anxious(asked: readonly NodeId[], now: number, facts: LocalFacts): Effects {
    const everyMs = periodOf(scaledTimings(this.#timings, facts), facts);
    return this.#greet(asked, now, everyMs);
  }

  /** The leader needs to hear where these are. */
  awaited(members: readonly NodeId[], now: number, facts: LocalFacts): Effects {
    const { helloMs } = scaledTimings(this.#timings, facts);
    const others = members.filter((to) => this.#peers.helloDue(to, now, helloMs));
    return this.#greet(others.slice(0, awaitedAtOnce), now, helloMs);
  }

  #meet(now: number, facts: LocalFacts): Effects {
    const { helloMs } = scaledTimings(this.#timings, facts);
    const unmet = strangers(this.#self, facts);
    for (const known of this.#strangers.keys()) {
      if (!unmet.includes(known)) this.#strangers.delete(known);
    }
    const due = unmet.filter((id) => {
      const at = this.#strangers.get(id) ?? now + this.#phase * helloMs;
      this.#strangers.set(id, at);
      return now >= at;
    });
    return this.#greet(due, now, helloMs);
  }

  #greet(members: readonly NodeId[], now: number, everyMs: number): Effects {
    const due = members.filter((to) => this.#peers.helloDue(to, now, everyMs));
    for (const to of due) this.#peers.helloSent(to, now);
    return due.map((to) => ({ kind: "hello", to }));
  }
}

function periodOf(
  { helloMs, anxiousHelloMs }: CoordinatorTimings,
  { leader }: Pick<LocalFacts, "leader">,
): number {
  return leader === null ? anxiousHelloMs : helloMs;
}
