/**
 * Rumours waiting to be sent, each at most `limit` times (memberlist's TransmitLimitedQueue). Order: fewest
 * transmissions first, then the largest, then the newest. A rumour replaces an older one of its subject.
 */
import { assert } from "../../base/assert.ts";
import { type Ix, type Rumour } from "./types.ts";

interface Entry {
  readonly rumour: Rumour;
  readonly subject: Ix;
  readonly bytes: number;
  readonly id: number;
  transmits: number;
}

export class BroadcastQueue {
  /** `#tiers[n]`: rumours sent n times, sorted by size and age. */
  readonly #tiers: Entry[][] = [];
  readonly #bySubject = new Map<Ix, Entry>();
  #nextId = 1;

  get size(): number {
    return this.#bySubject.size;
  }

  has(subject: Ix): boolean {
    return this.#bySubject.has(subject);
  }

  /** Queues `rumour`, in place of an older one about the same subject. */
  push(subject: Ix, rumour: Rumour, bytes: number): void {
    this.drop(subject);
    const entry: Entry = { rumour, subject, bytes, id: this.#nextId, transmits: 0 };
    this.#nextId += 1;
    this.#bySubject.set(subject, entry);
    this.#insert(entry);
  }

  drop(subject: Ix): void {
    const entry = this.#bySubject.get(subject);
    if (entry === undefined) return;
    this.#bySubject.delete(subject);
    this.#remove(entry);
  }

  /** Gives up the most sent rumours until at most `capacity` are left. */
  trim(capacity: number): void {
    for (let tier = this.#tiers.length - 1; this.size > capacity && tier >= 0; tier -= 1) {
      const entries = this.#tiers[tier] ?? [];
      while (this.size > capacity) {
        const entry = entries.pop();
        if (entry === undefined) break;
        this.#bySubject.delete(entry.subject);
      }
    }
  }

  /**
   * Appends to `frame` what fits into `room` bytes and counts one transmission of each.
   * @returns the subjects that reached `limit` and left the queue.
   */
  fill(frame: { push(rumour: Rumour): unknown }, room: number, limit: number): readonly Ix[] {
    const finished: Ix[] = [];
    for (const entry of this.#choose(room)) {
      frame.push(entry.rumour);
      this.#remove(entry);
      entry.transmits += 1;
      if (entry.transmits < limit) {
        this.#insert(entry);
      } else {
        this.#bySubject.delete(entry.subject);
        finished.push(entry.subject);
      }
    }
    return finished;
  }

  #choose(room: number): readonly Entry[] {
    const taken: Entry[] = [];
    let left = room;
    for (const tier of this.#tiers) {
      let at = firstFitting(tier, left);
      for (let entry = tier[at]; entry !== undefined; entry = tier[at]) {
        left -= entry.bytes;
        taken.push(entry);
        at = Math.max(at + 1, firstFitting(tier, left));
      }
    }
    return taken;
  }

  #insert(entry: Entry): void {
    while (this.#tiers.length <= entry.transmits) this.#tiers.push([]);
    const tier = this.#tiers[entry.transmits] ?? [];
    tier.splice(rank(tier, entry), 0, entry);
  }

  #remove(entry: Entry): void {
    const tier = this.#tiers[entry.transmits] ?? [];
    const at = rank(tier, entry);
    assert(tier[at] === entry, "a queued rumour is found where its order puts it");
    tier.splice(at, 1);
  }
}

/** Where `entry` is or belongs in a tier sorted by size, then newest first. */
function rank(tier: readonly Entry[], entry: Entry): number {
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

/** Index of the first entry of at most `room` bytes; a tier is sorted by size, largest first. */
function firstFitting(tier: readonly Entry[], room: number): number {
  let low = 0;
  let high = tier.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tier[middle]?.bytes ?? 0) > room) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.bytes === b.bytes ? a.id > b.id : a.bytes > b.bytes;
}
