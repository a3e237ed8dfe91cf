/**
 * Rumours waiting to be sent, each at most `limit` times (memberlist's TransmitLimitedQueue). Order: fewest
 * transmissions first, then the largest, then the newest. News of members has half of each frame, if it needs so much,
 * and suspicions and their denials the other half: on links that lose much there are more denials than all may send,
 * so that each is sent a few times only. One whom a denial misses hears the next, but nobody repeats news. A record
 * replaces all that is queued about its member, an accusation only another one: who does not know the record yet would
 * not believe the accusation. When too much waits, user events are given up first, and they leave last: membership is
 * what keeps the cluster together. What an agent says of itself leaves before all else: nobody but it can say it,
 * while a newcomer has hundreds of records to pass on that others have as well, and one who is accused is in a hurry.
 */
import { assert } from "../../base/assert.ts";
import { type AliveNotice, type EventNotice, type Ix, type Rumour } from "./types.ts";

interface Queued {
  readonly rumour: Rumour;
  readonly bytes: number;
  /** A member came, went, was lost, or describes itself anew. */
  readonly isNews: boolean;
}

interface Entry extends Queued {
  readonly key: number;
  readonly id: number;
  transmits: number;
}

/** User events that wait at most. */
const queuedEventsMax = 128;

export class BroadcastQueue {
  /**
   * `#tiers[n]`: rumours sent n times, sorted so that what goes first is last: the smallest and oldest in front.
   * Thousands wait while a cluster forms, and only the end of an array changes without moving the rest.
   */
  readonly #tiers: Entry[][] = [];
  readonly #newsTiers: Entry[][] = [];
  readonly #ownTiers: Entry[][] = [];
  readonly #eventTiers: Entry[][] = [];
  /** Rumours about members by twice their index, accusations one above; events by negative numbers. */
  readonly #byKey = new Map<number, Entry>();
  readonly #ownKey: number;
  #nextId = 1;
  #events = 0;

  constructor(self: Ix) {
    this.#ownKey = recordKey(self);
  }

  get size(): number {
    return this.#byKey.size;
  }

  has(subject: Ix): boolean {
    return this.#byKey.has(recordKey(subject)) || this.#byKey.has(accusationKey(subject));
  }

  /** Queues `rumour`, in place of what it makes obsolete. */
  push(subject: Ix, rumour: Exclude<Rumour, EventNotice>, bytes: number): void {
    if (rumour.kind === "alive") {
      // The news that waits still, if any, is in this record as well.
      const isNews = this.#byKey.get(recordKey(subject))?.isNews ?? false;
      this.#pushRecord(subject, { rumour, bytes, isNews });
      return;
    }
    this.#forget(accusationKey(subject));
    this.#add(accusationKey(subject), { rumour, bytes, isNews: rumour.kind === "failed" });
  }

  /** Queues a record by which a member comes, goes, or describes itself anew. */
  pushNews(subject: Ix, rumour: AliveNotice, bytes: number): void {
    this.#pushRecord(subject, { rumour, bytes, isNews: true });
  }

  /** Queues a user event: beside all others, as none makes another one obsolete. */
  pushEvent(notice: EventNotice, bytes: number): void {
    this.#events += 1;
    this.#add(-this.#nextId, { rumour: notice, bytes, isNews: false });
    if (this.#events > queuedEventsMax) this.#giveUp(this.#eventTiers, this.size - 1);
  }

  /** Forgets all that is queued about a member. */
  drop(subject: Ix): void {
    this.#forget(recordKey(subject));
    this.#forget(accusationKey(subject));
  }

  /** Gives up rumours until at most `capacity` are left: events first, then the most sent. Returns how many. */
  trim(capacity: number): number {
    const before = this.size;
    this.#giveUp(this.#eventTiers, capacity);
    this.#giveUp(this.#tiers, capacity);
    this.#giveUp(this.#newsTiers, capacity);
    return before - this.size;
  }

  /**
   * Appends to `frame` what fits into `room` bytes and counts one transmission of each.
   * @returns the members whose record was sent `limit` times and left the queue.
   */
  fill(frame: { push(rumour: Rumour): unknown }, room: number, limit: number): readonly Ix[] {
    const finished: Ix[] = [];
    const taken: Entry[] = [];
    const beside = this.#take(this.#ownTiers, { room, taken });
    const besideNews = this.#take(this.#newsTiers, { room: beside, taken, enough: beside / 2 });
    const unused = this.#take(this.#tiers, { room: besideNews, taken });
    const left = this.#take(this.#newsTiers, { room: unused, taken });
    if (this.#events > 0) this.#take(this.#eventTiers, { room: left, taken });
    for (const entry of taken) {
      frame.push(entry.rumour);
      entry.transmits += 1;
      if (entry.transmits < limit) {
        this.#insert(entry);
      } else {
        this.#drop(entry);
        if (entry.rumour.kind === "alive") finished.push(entry.key / 2);
      }
    }
    return finished;
  }

  #pushRecord(subject: Ix, what: Queued): void {
    this.drop(subject);
    this.#add(recordKey(subject), what);
  }

  #add(key: number, what: Queued): void {
    const entry: Entry = { ...what, key, id: this.#nextId, transmits: 0 };
    this.#nextId += 1;
    this.#byKey.set(key, entry);
    this.#insert(entry);
  }

  /** From the most sent down, the smallest and oldest of each tier first. */
  #giveUp(tiers: readonly Entry[][], capacity: number): void {
    for (let tier = tiers.length - 1; this.size > capacity && tier >= 0; tier -= 1) {
      const entries = tiers[tier] ?? [];
      for (const entry of entries.splice(0, this.size - capacity)) this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    this.#byKey.delete(entry.key);
    if (entry.key < 0) this.#events -= 1;
  }

  #forget(key: number): void {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return;
    this.#drop(entry);
    this.#remove(entry);
  }

  /** Moves what fits into `room` bytes from `tiers` to `taken`, until it has `enough`. Returns the room that is left. */
  #take(
    tiers: readonly Entry[][],
    { room, taken, enough = room }: { room: number; taken: Entry[]; enough?: number },
  ): number {
    let left = room;
    for (const tier of tiers) {
      let at = lastFitting(tier, tier.length, left);
      for (let entry = tier[at]; entry !== undefined && room - left < enough; entry = tier[at]) {
        left -= entry.bytes;
        taken.push(entry);
        removeAt(tier, at);
        at = lastFitting(tier, at, left);
      }
    }
    return left;
  }

  #tiersOf(entry: Entry): Entry[][] {
    if (entry.key === this.#ownKey) return this.#ownTiers;
    if (entry.key < 0) return this.#eventTiers;
    return entry.isNews ? this.#newsTiers : this.#tiers;
  }

  #insert(entry: Entry): void {
    const tiers = this.#tiersOf(entry);
    while (tiers.length <= entry.transmits) tiers.push([]);
    const tier = tiers[entry.transmits] ?? [];
    const at = rank(tier, entry);
    if (at === tier.length) tier.push(entry);
    else tier.splice(at, 0, entry);
  }

  #remove(entry: Entry): void {
    const tier = this.#tiersOf(entry)[entry.transmits] ?? [];
    const at = rank(tier, entry);
    assert(tier[at] === entry, "a queued rumour is found where its order puts it");
    removeAt(tier, at);
  }
}

function recordKey(subject: Ix): number {
  return 2 * subject;
}

function accusationKey(subject: Ix): number {
  return 2 * subject + 1;
}

/** Where `entry` is or belongs in a tier. */
function rank(tier: readonly Entry[], entry: Entry): number {
  const last = tier.at(-1);
  if (last === undefined || isBefore(last, entry)) return tier.length;
  let low = 0;
  let high = tier.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = tier[middle];
    if (other !== undefined && isBefore(other, entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the last entry of at most `room` bytes among the first `count`; -1 when there is none. */
function lastFitting(tier: readonly Entry[], count: number, room: number): number {
  if ((tier[count - 1]?.bytes ?? 0) <= room) return count - 1;
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tier[middle]?.bytes ?? 0) > room) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

function removeAt(tier: Entry[], at: number): void {
  if (at === tier.length - 1) tier.pop();
  else tier.splice(at, 1);
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.bytes === b.bytes ? a.id < b.id : a.bytes < b.bytes;
}
