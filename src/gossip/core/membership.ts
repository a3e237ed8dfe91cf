/**
 * The only place where a member changes its status. Each transition sets everything that belongs to it: the
 * table, the suspicion, the rumour to spread, the overlay, and the event for the host.
 */
import { assert } from "../../base/assert.ts";
import { type GossipOptions } from "../options.ts";
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type Counters } from "./counters.ts";
import { type Directory } from "./directory.ts";
import { type Hearing } from "./hearing.ts";
import { type MemberTable } from "./member-table.ts";
import { judgeAccusation, recordIsNews } from "./rules.ts";
import { type SelfVoice } from "./self-voice.ts";
import { accusationBytes, messageBytes } from "./sizes.ts";
import { suspicionBounds } from "./suspicion.ts";
import { type Suspicions } from "./suspicions.ts";
import { Tombstones } from "./tombstones.ts";
import {
  type Accusation,
  type AliveNotice,
  type Ix,
  type JoinPolicy,
  protocolMax,
  protocolMin,
  type RecordAuthority,
  type SignedRecord,
  Status,
  type StatusCode,
  type Turn,
} from "./types.ts";

export interface MembershipDependencies {
  readonly self: Ix;
  readonly directory: Directory;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly suspicions: Suspicions;
  readonly hearing: Hearing;
  readonly authority: RecordAuthority;
  readonly policy: JoinPolicy;
  readonly voice: SelfVoice;
  readonly counters: Counters;
  /** Called after the table changed. */
  readonly onStatus: (ix: Ix, before: StatusCode, after: StatusCode) => void;
}

/** A good-bye of somebody not known yet is remembered so long: his older record may still be on its way. */
const earlyGoodbyeMs = 300_000;

export class Membership {
  readonly #options: GossipOptions;
  readonly #deps: MembershipDependencies;
  readonly #evicted = new Set<Ix>();
  readonly #tombstones = new Tombstones();

  constructor(options: GossipOptions, dependencies: MembershipDependencies) {
    this.#options = options;
    this.#deps = dependencies;
  }

  isEvicted(ix: Ix): boolean {
    return this.#evicted.has(ix);
  }

  /** Takes a member's statement about itself, brought by `carrier`. True when it was news. */
  learn(turn: Turn, record: SignedRecord, carrier: Ix): boolean {
    const { directory, table, self, voice } = this.#deps;
    const { id, incarnation } = record.body;
    const ix = directory.find(id);
    if (ix === self) return voice.hear(turn, record, carrier);
    if (ix >= 0 && this.#evicted.has(ix)) return false;
    const status = ix < 0 ? Status.none : table.status(ix);
    const known = { status, incarnation: ix < 0 ? 0 : table.incarnation(ix) };
    if (!recordIsNews(known, incarnation)) return false;
    if (status === Status.none && this.#tombstones.covers(ix, incarnation, turn.now)) {
      this.#deps.counters.add("tombstoned");
      return false;
    }
    if (!this.#isAcceptable(record, status, carrier)) return false;
    const at = ix < 0 ? directory.intern(id) : ix;
    if (at < 0) {
      this.#deps.counters.add("membersFull");
      return false;
    }
    if (status === Status.none && record.body.leaving) {
      this.#tombstones.set(at, incarnation, turn.now + earlyGoodbyeMs);
      return false;
    }
    this.#apply(turn, at, record);
    return true;
  }

  /** Takes one member's statement about another. */
  accuse(turn: Turn, accusation: Accusation): void {
    const { table, self, voice, counters } = this.#deps;
    const { member, incarnation } = accusation;
    if (member < 0 || accusation.from < 0) return;
    if (member === self) {
      voice.accused(turn, incarnation);
      return;
    }
    const known = { status: table.status(member), incarnation: table.incarnation(member) };
    const verdict = judgeAccusation(known, accusation);
    if (verdict === "ahead") counters.add("accusationsAhead");
    if (verdict === "apply" && accusation.kind === "failed") this.#fail(turn, accusation);
    else if (verdict === "apply") this.#suspect(turn, accusation);
    else if (verdict === "confirm") this.#confirm(turn, accusation);
  }

  /** What is held against a member here, to be told to itself; null when nothing is. */
  against(member: Ix): Accusation | null {
    const { table, self } = this.#deps;
    const status = table.status(member);
    if (status !== Status.suspect && status !== Status.failed) return null;
    const kind = status === Status.suspect ? "suspect" : "failed";
    return { kind, member, incarnation: table.incarnation(member), from: self, refused: false };
  }

  /** Ends suspicions whose time is over. */
  expire(turn: Turn): void {
    const { suspicions, hearing, table, self } = this.#deps;
    const judgesFrom = hearing.judgesFrom(turn.now);
    for (const member of suspicions.due(turn.now)) {
      if (judgesFrom > turn.now) {
        suspicions.postpone(member, judgesFrom);
        continue;
      }
      const incarnation = table.incarnation(member);
      this.#fail(turn, { kind: "failed", member, incarnation, from: self, refused: false });
    }
  }

  /** Removes a member for good. */
  evict(turn: Turn, ix: Ix): void {
    assert(ix !== this.#deps.self, "an agent does not evict itself");
    this.#evicted.add(ix);
    this.forget(turn, ix);
  }

  /** Drops a member from the table, the queue and the suspicions. */
  forget(turn: Turn, ix: Ix): void {
    const { table, queue, suspicions } = this.#deps;
    queue.drop(ix);
    suspicions.cancel(ix);
    const before = table.status(ix);
    if (before === Status.none) return;
    const until = turn.now + Math.max(this.#options.reapFailedMs, this.#options.reapLeftMs);
    this.#tombstones.set(ix, table.incarnation(ix), until);
    table.forget(ix, turn.now);
    this.#deps.onStatus(ix, before, Status.none);
    turn.out.event("reap", ix);
  }

  #isAcceptable(record: SignedRecord, status: StatusCode, carrier: Ix): boolean {
    const { directory, table, authority, policy, counters } = this.#deps;
    const { body } = record;
    if (status === Status.none) {
      if (table.knownCount >= this.#options.membersMax) {
        counters.add("membersFull");
        return false;
      }
      if (!policy.mayJoin(body.id, directory.id(carrier))) {
        counters.add("notAdmitted");
        return false;
      }
    }
    if (body.protocolMin > protocolMax || body.protocolMax < protocolMin) {
      counters.add("incompatible");
      return false;
    }
    if (authority.verify(record)) return true;
    counters.forged(carrier);
    return false;
  }

  #apply(turn: Turn, ix: Ix, record: SignedRecord): void {
    const { table, suspicions } = this.#deps;
    const before = table.status(ix);
    this.#countFalseAlarm(before, table.record(ix), record);
    const changed = describes(table.record(ix), record);
    suspicions.cancel(ix);
    table.setRecord(ix, record);
    const after = record.body.leaving ? Status.left : Status.alive;
    if (after !== before) {
      table.setStatus(ix, after, turn.now);
      this.#deps.onStatus(ix, before, after);
    }
    const denies = before === Status.alive || before === Status.suspect;
    const isNews = changed || !denies || after === Status.left;
    this.#spread(ix, { kind: "alive", record }, isNews);
    if (after === Status.left) {
      if (before !== Status.left) turn.out.event("left", ix);
    } else if (before === Status.none || before === Status.left) turn.out.event("join", ix);
    else if (before !== Status.alive) turn.out.event("alive", ix);
    if (changed && before !== Status.none && after === Status.alive) turn.out.event("update", ix);
  }

  /** Somebody who was accused lives: the same life of his shows that it was wrong. */
  #countFalseAlarm(status: StatusCode, before: SignedRecord | null, after: SignedRecord): void {
    if (before?.body.bootId !== after.body.bootId) return;
    const { counters } = this.#deps;
    if (status === Status.suspect) counters.add("falseSuspicions");
    if (status === Status.failed) counters.add("falseFailures");
  }

  #suspect(turn: Turn, accusation: Accusation): void {
    const { table, suspicions } = this.#deps;
    const { member, from } = accusation;
    const others = table.upCount - 1;
    suspicions.start(turn.now, {
      member,
      from,
      bounds: suspicionBounds(this.#options, table.upCount),
      refusedNeeded: Math.max(1, Math.min(2, others)),
    });
    this.#deps.counters.add("suspicions");
    if (accusation.refused) suspicions.refused(turn.now, member, from);
    table.setStatus(member, Status.suspect, turn.now);
    this.#deps.onStatus(member, Status.alive, Status.suspect);
    this.#spread(member, accusation);
    turn.out.event("suspect", member);
  }

  #confirm(turn: Turn, accusation: Accusation): void {
    const { suspicions } = this.#deps;
    const { member, from } = accusation;
    const confirmed = suspicions.confirm(member, from);
    const refused = accusation.refused && suspicions.refused(turn.now, member, from);
    if (confirmed || refused) this.#spread(member, accusation);
  }

  #fail(turn: Turn, accusation: Accusation): void {
    const { table, suspicions } = this.#deps;
    const { member } = accusation;
    this.#deps.counters.add("failures");
    suspicions.cancel(member);
    const before = table.status(member);
    table.setStatus(member, Status.failed, turn.now);
    this.#deps.onStatus(member, before, Status.failed);
    this.#spread(member, { ...accusation, kind: "failed", refused: false });
    turn.out.event("failed", member);
  }

  #spread(subject: Ix, rumour: Accusation | AliveNotice, isNews = false): void {
    const { queue, table, counters } = this.#deps;
    if (rumour.kind !== "alive") queue.push(subject, rumour, accusationBytes);
    else if (isNews) queue.pushNews(subject, rumour, messageBytes(rumour));
    else queue.push(subject, rumour, messageBytes(rumour));
    const trimmed = queue.trim(512 + 2 * table.knownCount);
    if (trimmed > 0) counters.add("queueTrimmed", trimmed);
  }
}

/** True when what the member says of itself changed, beyond the incarnation. */
function describes(before: SignedRecord | null, after: SignedRecord): boolean {
  if (before === null) return true;
  const a = before.body;
  const b = after.body;
  return (
    a.address !== b.address ||
    a.name !== b.name ||
    a.bootId !== b.bootId ||
    a.degraded !== b.degraded ||
    a.datagrams !== b.datagrams ||
    JSON.stringify(a.tags) !== JSON.stringify(b.tags)
  );
}
