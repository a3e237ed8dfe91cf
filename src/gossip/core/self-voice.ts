/**
 * What this agent says of itself. Its incarnation is its own Lamport clock: it grows with each statement, and
 * past any incarnation that an earlier life of the same key signed. So an old good-bye can never undo a
 * return, and needs no clock of its own (serf's leave intents do, and looped without it).
 */
import { assert } from "../../base/assert.ts";
import { type Awareness } from "./awareness.ts";
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type Counters } from "./counters.ts";
import { type MemberTable } from "./member-table.ts";
import { messageBytes } from "./sizes.ts";
import {
  type Ix,
  type RecordAuthority,
  type SelfRecord,
  type SignedRecord,
  Status,
  type Turn,
} from "./types.ts";

export interface SelfVoiceDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly awareness: Awareness;
  readonly authority: RecordAuthority;
  readonly counters: Counters;
  readonly lhaProbe: boolean;
}

const silenceMaxMs = 60_000;
/** A denial is passed on by then, or was in vain. */
const denialMs = 3000;
/** Beyond what records of one dead process, still on their way, can span. */
const livingStep = 1024;

export type SelfStatement = Partial<Omit<SelfRecord, "id" | "bootId" | "incarnation">>;

export class SelfVoice {
  readonly #deps: SelfVoiceDependencies;
  #record: SignedRecord;
  #outranked: SelfRecord | null = null;
  #suspicious = false;
  #conflicts = 0;
  #silentUntil = -Infinity;
  #deniedAt = -Infinity;

  constructor(first: SelfRecord, dependencies: SelfVoiceDependencies, now: number) {
    this.#deps = dependencies;
    this.#record = dependencies.authority.seal(first);
    dependencies.table.setRecord(dependencies.self, this.#record);
    dependencies.table.setStatus(dependencies.self, Status.alive, now);
  }

  get record(): SignedRecord {
    return this.#record;
  }

  get isLeaving(): boolean {
    return this.#record.body.leaving;
  }

  /** Others did not hear this agent a moment ago, and are being told that it is there. */
  isDenying(now: number): boolean {
    return now - this.#deniedAt < denialMs;
  }

  /** Says something new of this agent, and spreads it. */
  say(turn: Turn, statement: SelfStatement): void {
    this.#sayAt(turn, { ...statement, incarnation: this.#record.body.incarnation + 1 });
  }

  /** Somebody suspects this agent, or holds it for failed: deny it. */
  accused(turn: Turn, incarnation: number): void {
    const { counters, awareness, lhaProbe } = this.#deps;
    const own = this.#record.body.incarnation;
    if (incarnation > own) counters.add("accusationsAhead");
    if (incarnation !== own || this.isLeaving) return;
    counters.add("refutations");
    if (lhaProbe) awareness.change(1);
    this.#deniedAt = turn.now;
    this.say(turn, {});
  }

  /**
   * A record of this agent that came back to it. One from an earlier life is outranked. When another of that life
   * turns up it is outranked by far; one that is higher even so was made in answer, by a process that runs now.
   */
  hear(turn: Turn, record: SignedRecord, carrier: Ix): boolean {
    const { body } = record;
    const own = this.#record.body;
    if (body.incarnation < own.incarnation || body.bootId === own.bootId || own.leaving)
      return false;
    if (!this.#deps.authority.verify(record)) {
      this.#deps.counters.forged(carrier);
      return false;
    }
    if (turn.now < this.#silentUntil) return false;
    const before = this.#outranked;
    const isAgain = before?.bootId === body.bootId && body.incarnation > before.incarnation;
    if (isAgain && this.#suspicious) this.#conflict(turn, body);
    this.#suspicious = isAgain;
    this.#outranked = body;
    this.#sayAt(turn, { incarnation: body.incarnation + (isAgain ? livingStep : 1) });
    return true;
  }

  /** Boot ids begin with the time of the start, so both processes agree which of them came later. */
  #conflict(turn: Turn, other: SelfRecord): void {
    this.#conflicts += 1;
    this.#deps.counters.add("conflicts");
    // Two processes that outrank each other without pause would flood everybody.
    this.#silentUntil = turn.now + Math.min(silenceMaxMs, 500 * 2 ** this.#conflicts);
    const isLater = this.#record.body.bootId > other.bootId;
    turn.out.conflict({ count: this.#conflicts, isLater, address: other.address });
  }

  #sayAt(turn: Turn, statement: SelfStatement & { readonly incarnation: number }): void {
    const { self, table, queue, authority } = this.#deps;
    const before = this.#record.body;
    assert(statement.incarnation > before.incarnation, "each statement has a higher incarnation");
    const record = authority.seal({ ...before, ...statement });
    this.#record = record;
    table.setRecord(self, record);
    if (record.body.leaving && table.status(self) !== Status.left) {
      table.setStatus(self, Status.left, turn.now);
    }
    queue.push(self, { kind: "alive", record }, messageBytes({ kind: "alive", record }));
  }
}
