/**
 * Anti-entropy: compare hashes, then digests, then only records that differ. Fast while views differ, slow
 * when they agree: this is what fills a new member in a second and costs eight bytes in a quiet cluster. A
 * member that the other side holds for failed becomes suspect here, never failed: syncs do not spread death.
 */
import { type Random } from "../../base/random.ts";
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type Counters } from "./counters.ts";
import { type Directory } from "./directory.ts";
import { type Membership } from "./membership.ts";
import { type MemberTable } from "./member-table.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { type SelfVoice } from "./self-voice.ts";
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
  type Digest,
  type Ix,
  type SignedRecord,
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
  readonly counters: Counters;
  readonly random: Random;
}

interface Told {
  readonly records: readonly SignedRecord[];
  readonly accusations: readonly Accusation[];
}

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
  #budget = answerBytesPerSecond;
  #budgetAt = 0;

  constructor(options: AntiEntropyOptions, dependencies: AntiEntropyDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#periodMs = options.syncMinMs;
    this.#nextAt = now + dependencies.random.float() * options.syncMinMs;
  }

  get nextDeadline(): number {
    return this.#nextAt;
  }

  tick(turn: Turn): void {
    if (turn.now < this.#nextAt) return;
    for (const [peer, since] of this.#inFlight) {
      if (turn.now - since > 2 * this.#options.syncTimeoutMs) this.#inFlight.delete(peer);
    }
    const { queue, table, peers } = this.#deps;
    if (queue.size > table.upCount / 8 && queue.size > 1) this.#periodMs = this.#options.syncMinMs;
    this.#schedule(turn);
    const [peer] = peers.up(1, () => true);
    if (peer !== undefined && this.#inFlight.size === 0) this.start(turn, peer);
  }

  /** Compares views with `peer`; false when such a sync is already under way. */
  start(turn: Turn, peer: Ix): boolean {
    if (this.#inFlight.has(peer)) return false;
    this.#inFlight.set(peer, turn.now);
    const { table, voice } = this.#deps;
    turn.out.sync(peer, { kind: "compare", hash: table.viewHash(), record: voice.record });
    return true;
  }

  failed(peer: Ix): void {
    this.#inFlight.delete(peer);
  }

  /** Takes the other side's answer. True when the exchange with it is complete. */
  handle(turn: Turn, from: Ix, answer: SyncAnswer): boolean {
    this.#inFlight.delete(from);
    switch (answer.kind) {
      case "same":
        this.#calm();
        return true;
      case "digest":
        return this.#exchange(turn, from, answer.digest);
      case "busy":
        this.#deps.counters.add("syncsBusy");
        this.#learnAll(turn, from, { records: answer.records, accusations: [] });
        this.#hurry(turn);
        return false;
      case "records":
        // What is refused here, or there, will differ at each sync: no reason to hurry.
        if (this.#learnAll(turn, from, answer) > 0) this.#hurry(turn);
        else this.#calm();
        return true;
    }
  }

  /** Answers a request of `from`. */
  answer(turn: Turn, from: Ix, request: SyncRequest): SyncAnswer {
    const { table, directory, membership, self } = this.#deps;
    if (request.kind === "compare") {
      membership.learn(turn, request.record, from);
      const hash = table.viewHash();
      if (hash.high === request.hash.high && hash.low === request.hash.low) return { kind: "same" };
      if (!this.#afford(turn, 13 * table.knownCount)) return this.#busy();
      return { kind: "digest", digest: digestOf(table, this.#options.membersMax) };
    }
    this.#learnAll(turn, from, request);
    const asked = wanted(directory, request);
    if (!this.#afford(turn, 300 * asked.length)) return this.#busy();
    return {
      kind: "records",
      ...recordsOf(table, asked, { from: self, bytesMax: recordsBytesMax }),
    };
  }

  #exchange(turn: Turn, from: Ix, digest: Digest): boolean {
    const { table, membership, self } = this.#deps;
    const difference = compareViews(table, digest, (ix) => membership.isEvicted(ix));
    if (isEmptyDifference(difference)) {
      this.#calm();
      return true;
    }
    for (const { member, incarnation } of difference.accused) {
      membership.accuse(turn, { kind: "suspect", member, incarnation, from, refused: false });
    }
    const offer = recordsOf(table, difference.offer, { from: self, bytesMax: recordsBytesMax });
    const accusations = difference.accuse.map((member) => failedAccusation(table, member, self));
    const { wantMembers, wantKeys } = difference;
    const records = offer.records;
    const all = [...offer.accusations, ...accusations];
    this.#inFlight.set(from, turn.now);
    turn.out.sync(from, { kind: "exchange", wantMembers, wantKeys, records, accusations: all });
    return false;
  }

  /** Number of records that were news. */
  #learnAll(turn: Turn, from: Ix, told: Told): number {
    let news = 0;
    for (const record of told.records) {
      if (this.#deps.membership.learn(turn, record, from)) news += 1;
    }
    for (const accusation of told.accusations) {
      this.#deps.membership.accuse(turn, { ...accusation, kind: "suspect", refused: false });
    }
    return news;
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

  #afford(turn: Turn, bytes: number): boolean {
    const refill = (Math.max(0, turn.now - this.#budgetAt) / 1000) * answerBytesPerSecond;
    this.#budget = Math.min(answerBytesPerSecond, this.#budget + refill);
    this.#budgetAt = turn.now;
    const affordable = this.#budget > 0;
    if (affordable) this.#budget -= bytes;
    return affordable;
  }

  #busy(): SyncAnswer {
    const { peers, table } = this.#deps;
    const chosen = peers.among(busyRecords, (ix) => table.isUp(ix));
    const records = chosen.map((ix) => table.record(ix)).filter((record) => record !== null);
    return { kind: "busy", records };
  }
}
