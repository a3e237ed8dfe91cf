/**
 * Anti-entropy: compare hashes, then digests, then only records that differ. Fast while views differ, slow
 * when they agree: this is what fills a new member in a second and costs eight bytes in a quiet cluster. A
 * member that the other side holds for failed becomes suspect here, never failed: syncs do not spread death.
 */
import { type Random } from "../../base/random.ts";
import { AnswerBudget } from "./answer-budget.ts";
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type Convergence } from "../ports.ts";
import { type Counters } from "./counters.ts";
import { type Directory } from "./directory.ts";
import { type Membership } from "./membership.ts";
import { type MemberTable } from "./member-table.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { type SelfVoice } from "./self-voice.ts";
import { isSameEvent, type UserEvents } from "./user-events.ts";
import { syncScale } from "./suspicion.ts";
import {
  compareViews,
  digestOf,
  failedAccusation,
  isEmptyDifference,
  recordsOf,
  wanted,
} from "./sync-diff.ts";
import {
  type Accusation,
  type EventsTold,
  type Ix,
  type SignedEvent,
  type SignedRecord,
  Status,
  type SyncAnswer,
  type SyncRequest,
  type Turn,
} from "./types.ts";

export interface AntiEntropyOptions {
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
  readonly syncTimeoutMs: number;
  readonly membersMax: number;
}

export interface AntiEntropyDependencies {
  readonly self: Ix;
  readonly directory: Directory;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly peers: PeerChoice;
  readonly membership: Membership;
  readonly voice: SelfVoice;
  readonly events: UserEvents;
  readonly counters: Counters;
  readonly random: Random;
}

/** Whom this agent asked, and when: what was compared is the view of that moment. */
interface Asked {
  readonly from: Ix;
  readonly askedAt: number;
}

interface Told {
  readonly records: readonly SignedRecord[];
  readonly accusations: readonly Accusation[];
  readonly events: readonly SignedEvent[];
}

/** Members asked at once, and remembered for having agreed. */
const askedMax = 2;
const agreedMax = 4;
/** Records in one answer; the rest comes with the next sync, a second later. */
const recordsBytesMax = 512 * 1024;
/** Digests and records that one agent hands out per second before it sends askers to others. */
const answerBytesPerSecond = 2 * 1024 * 1024;
const busyRecords = 8;

export class AntiEntropy {
  readonly #options: AntiEntropyOptions;
  readonly #deps: AntiEntropyDependencies;
  readonly #inFlight = new Map<Ix, number>();
  #nextAt: number;
  #periodMs: number;
  readonly #budget = new AnswerBudget(answerBytesPerSecond);
  #agrees: boolean | null = null;
  #agreesSince: number;
  #lastTookMs: number | null = null;
  /** When each was asked that had the same view, the latest last. */
  readonly #agreedAt = new Map<Ix, number>();

  constructor(options: AntiEntropyOptions, dependencies: AntiEntropyDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#periodMs = options.syncMinMs;
    this.#nextAt = now + dependencies.random.float() * options.syncMinMs;
    this.#agreesSince = now;
  }

  get nextDeadline(): number {
    return this.#nextAt;
  }

  tick(turn: Turn): void {
    this.#noticeChange(turn);
    if (turn.now < this.#nextAt) return;
    for (const [peer, since] of this.#inFlight) {
      if (turn.now - since > 2 * this.#options.syncTimeoutMs) this.#inFlight.delete(peer);
    }
    const { peers } = this.#deps;
    this.#schedule(turn);
    const [peer] = peers.up(1, () => true);
    if (peer !== undefined && this.#inFlight.size === 0) this.start(turn, peer);
  }

  /** Compares views with `peer`; false when such a sync is already under way. */
  start(turn: Turn, peer: Ix): boolean {
    if (this.#inFlight.has(peer)) return false;
    this.#inFlight.set(peer, turn.now);
    const { table, voice, events, counters } = this.#deps;
    counters.add("syncsStarted");
    const hash = table.viewHash();
    turn.out.sync(peer, { kind: "compare", hash, events: events.mark(), record: voice.record });
    return true;
  }

  /** Compares views beside the rounds, with members whose opinion is worth something. */
  ask(turn: Turn): void {
    for (const peer of this.#deps.peers.up(askedMax, (ix) => this.#isWell(ix))) {
      this.start(turn, peer);
    }
  }

  /** Much may have been said meanwhile. */
  catchUp(turn: Turn): void {
    this.#hurry(turn);
    this.ask(turn);
  }

  failed(peer: Ix): void {
    this.#deps.counters.add("syncsFailed");
    this.#inFlight.delete(peer);
  }

  /** How far the views of this agent and of the peers it asked agree. */
  convergence(now: number): Convergence {
    const forMs = now - this.#agreesSince;
    const agreedAt = [...this.#agreedAt.values()];
    return { agrees: this.#agrees, forMs, lastTookMs: this.#lastTookMs, agreedAt };
  }

  /** Takes the other side's answer. True when the exchange with it is complete. */
  handle(turn: Turn, from: Ix, answer: SyncAnswer): boolean {
    const by = { from, askedAt: this.#inFlight.get(from) ?? -Infinity };
    this.#inFlight.delete(from);
    switch (answer.kind) {
      case "same":
        this.#deps.counters.add("syncsSame");
        this.#deps.events.witness(this.#deps.events.clock);
        this.#agreed(turn, by);
        this.#calm();
        return true;
      case "digest":
        this.#deps.counters.add("syncsDiffered");
        return this.#exchange(turn, by, answer);
      case "events":
        return this.#exchangeEvents(turn, by, answer.told);
      case "busy":
        this.#deps.counters.add("syncsBusy");
        this.#learnAll(turn, from, { records: answer.records, accusations: [], events: [] });
        this.#hurry(turn);
        return false;
      case "records":
        // What is refused here, or there, will differ at each sync: no reason to hurry.
        if (this.#learnAll(turn, from, { ...answer, events: [] }) > 0) this.#hurry(turn);
        else this.#calm();
        return true;
    }
  }

  /** Answers a request of `from`. */
  answer(turn: Turn, from: Ix, request: SyncRequest): SyncAnswer {
    const { directory, table, self } = this.#deps;
    if (request.kind === "compare") return this.#compare(turn, from, request);
    this.#learnAll(turn, from, request);
    const asked = wanted(directory, request);
    if (!this.#budget.afford(turn.now, Math.min(300 * asked.length, recordsBytesMax)))
      return this.#busy();
    return {
      kind: "records",
      ...recordsOf(table, asked, { from: self, bytesMax: recordsBytesMax }),
    };
  }

  #compare(turn: Turn, from: Ix, asked: Extract<SyncRequest, { kind: "compare" }>): SyncAnswer {
    const { table, membership, events } = this.#deps;
    membership.learn(turn, asked.record, from);
    events.witness(asked.events.clock);
    const mark = events.mark();
    const heardSame = mark.hash === asked.events.hash && mark.clock === asked.events.clock;
    const told = { clock: mark.clock, events: heardSame ? [] : events.newest() };
    const hash = table.viewHash();
    if (hash.high !== asked.hash.high || hash.low !== asked.hash.low) {
      if (!this.#budget.afford(turn.now, 13 * table.knownCount)) return this.#busy();
      const digest = digestOf(table, this.#options.membersMax);
      return { kind: "digest", digest, told: heardSame ? null : told };
    }
    return heardSame ? { kind: "same" } : { kind: "events", told };
  }

  #exchange(turn: Turn, by: Asked, answer: Extract<SyncAnswer, { kind: "digest" }>): boolean {
    const { from } = by;
    const { table, membership, self } = this.#deps;
    const difference = compareViews(table, answer.digest, (ix) => membership.isEvicted(ix));
    const { missing } = this.#hearAll(turn, from, answer.told);
    if (isEmptyDifference(difference) && missing.length === 0) {
      this.#agreed(turn, by);
      this.#calm();
      return true;
    }
    if (isEmptyDifference(difference)) this.#agreed(turn, by);
    else this.#differed(turn);
    for (const { member, incarnation } of difference.accused) {
      membership.accuse(turn, { kind: "suspect", member, incarnation, from, refused: false });
    }
    const offer = recordsOf(table, difference.offer, { from: self, bytesMax: recordsBytesMax });
    const accusations = difference.accuse.map((member) => failedAccusation(table, member, self));
    const { wantMembers, wantKeys } = difference;
    const records = offer.records;
    const all = [...offer.accusations, ...accusations];
    this.#inFlight.set(from, turn.now);
    turn.out.sync(from, {
      ...{ kind: "exchange", wantMembers, wantKeys, records },
      ...{ accusations: all, events: missing },
    });
    return false;
  }

  /** Views agree, and only what was told differs. */
  #exchangeEvents(turn: Turn, by: Asked, told: EventsTold): boolean {
    const { from } = by;
    this.#deps.counters.add("syncsSame");
    this.#agreed(turn, by);
    const { missing, news } = this.#hearAll(turn, from, told);
    if (missing.length > 0) {
      this.#inFlight.set(from, turn.now);
      const none = { wantMembers: [], wantKeys: [], records: [], accusations: [] };
      turn.out.sync(from, { kind: "exchange", ...none, events: missing });
      return false;
    }
    if (news > 0) this.#hurry(turn);
    else this.#calm();
    return true;
  }

  /** Hears what the other side told; `missing`: what it has not heard, as far as one answer shows. */
  #hearAll(
    turn: Turn,
    from: Ix,
    told: EventsTold | null,
  ): { readonly missing: readonly SignedEvent[]; readonly news: number } {
    if (told === null) return { missing: [], news: 0 };
    const { events } = this.#deps;
    const before = events.newest();
    events.witness(told.clock);
    let news = 0;
    for (const event of told.events) if (events.hear(turn, event, from)) news += 1;
    const missing = before.filter(
      (event) => !told.events.some((other) => isSameEvent(event, other)),
    );
    return { missing, news };
  }

  /** The views were the same when `from` was asked. */
  #agreed(turn: Turn, { from, askedAt }: Asked): void {
    this.#agreedAt.delete(from);
    if (this.#isWell(from)) this.#agreedAt.set(from, askedAt);
    const [oldest] = this.#agreedAt.keys();
    if (this.#agreedAt.size > agreedMax && oldest !== undefined) this.#agreedAt.delete(oldest);
    if (this.#agrees === true) return;
    if (this.#agrees === false) this.#lastTookMs = turn.now - this.#agreesSince;
    this.#agrees = true;
    this.#agreesSince = turn.now;
  }

  #differed(turn: Turn): void {
    if (this.#agrees === false) return;
    this.#agrees = false;
    this.#agreesSince = turn.now;
    // Rumours are about to settle it, or not: that is not left open for a whole long period.
    this.#hurry(turn);
  }

  #isWell(ix: Ix): boolean {
    const { table } = this.#deps;
    return table.status(ix) === Status.alive && table.record(ix)?.body.degraded !== true;
  }

  /** Number of records that were news. Honest peers pass nothing forged on: what comes after that is not looked at. */
  #learnAll(turn: Turn, from: Ix, told: Told): number {
    const forged = this.#deps.counters.get("badSignature");
    let news = 0;
    for (const record of told.records) {
      if (this.#deps.membership.learn(turn, record, from)) news += 1;
      if (this.#deps.counters.get("badSignature") > forged) return news;
    }
    for (const accusation of told.accusations) {
      this.#deps.membership.accuse(turn, { ...accusation, kind: "suspect", refused: false });
    }
    for (const event of told.events) this.#deps.events.hear(turn, event, from);
    return news;
  }

  /**
   * When many rumours wait the view is changing, and some will be missed. A sync that was planned in calm days, minutes
   * ahead, would be what keeps a healed partition waiting.
   */
  #noticeChange(turn: Turn): void {
    const { queue, table } = this.#deps;
    if (queue.size <= Math.max(1, table.upCount / 8)) return;
    if (this.#periodMs > this.#options.syncMinMs) this.#hurry(turn);
  }

  #calm(): void {
    const { table } = this.#deps;
    const longest = this.#options.syncMaxMs * syncScale(table.upCount);
    this.#periodMs = Math.min(2 * this.#periodMs, longest);
  }

  #hurry(turn: Turn): void {
    this.#periodMs = this.#options.syncMinMs;
    this.#schedule(turn);
  }

  /** Half to one and a half periods, so that agents that started together drift apart. */
  #schedule(turn: Turn): void {
    this.#nextAt = turn.now + this.#periodMs * (0.5 + this.#deps.random.float());
  }

  #busy(): SyncAnswer {
    const { peers, table } = this.#deps;
    const chosen = peers.among(busyRecords, (ix) => table.isUp(ix));
    const records = chosen.map((ix) => table.record(ix)).filter((record) => record !== null);
    return { kind: "busy", records };
  }
}
