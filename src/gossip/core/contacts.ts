/**
 * Peers to sync with that are not, or not yet, members here: seeds of the join, addresses from the snapshot
 * or the inventory. A few at once, each retried for ever with growing pauses, until one sync succeeded.
 */
import { type Random } from "../../base/random.ts";
import { type Ix } from "./types.ts";

interface Contact {
  failures: number;
  nextAt: number;
  inFlight: boolean;
}

const parallel = 3;
const contactsMax = 256;
const none: readonly Ix[] = [];

export class Contacts {
  readonly #options: { readonly syncMinMs: number; readonly syncMaxMs: number };
  readonly #random: Random;
  readonly #contacts = new Map<Ix, Contact>();

  constructor(options: { readonly syncMinMs: number; readonly syncMaxMs: number }, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  get size(): number {
    return this.#contacts.size;
  }

  get nextDeadline(): number {
    if (this.#contacts.size === 0) return Infinity;
    let earliest = Infinity;
    let busy = 0;
    for (const contact of this.#contacts.values()) {
      if (contact.inFlight) busy += 1;
      else earliest = Math.min(earliest, contact.nextAt);
    }
    return busy >= parallel ? Infinity : earliest;
  }

  has(ix: Ix): boolean {
    return this.#contacts.has(ix);
  }

  add(ix: Ix, now: number): void {
    if (this.#contacts.size >= contactsMax) return;
    const known = this.#contacts.get(ix);
    if (known === undefined) this.#contacts.set(ix, { failures: 0, nextAt: now, inFlight: false });
    else if (!known.inFlight) known.nextAt = now;
  }

  remove(ix: Ix): void {
    this.#contacts.delete(ix);
  }

  failed(ix: Ix, now: number): void {
    const contact = this.#contacts.get(ix);
    if (contact === undefined) return;
    contact.inFlight = false;
    const { syncMinMs, syncMaxMs } = this.#options;
    const pause = Math.min(syncMaxMs, syncMinMs * 2 ** Math.min(contact.failures, 16));
    contact.failures += 1;
    contact.nextAt = now + pause * (0.5 + this.#random.float() / 2);
  }

  /** Contacts to sync with now; they count as under way until `remove` or `failed`. */
  take(now: number): readonly Ix[] {
    if (this.#contacts.size === 0) return none;
    let free = parallel;
    for (const contact of this.#contacts.values()) if (contact.inFlight) free -= 1;
    const taken: Ix[] = [];
    for (const [ix, contact] of this.#contacts) {
      if (taken.length >= free) break;
      if (contact.inFlight || contact.nextAt > now) continue;
      contact.inFlight = true;
      taken.push(ix);
    }
    return taken;
  }
}
