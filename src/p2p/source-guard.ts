/**
 * Cuts off sources that keep sending what is not genuine, before it costs a decryption. A source is an address with
 * its port, as many agents may be behind one address. It can be forged: at worst a member's own datagrams are dropped
 * for a minute, and its probes pass over streams. Whoever forges another source with each datagram is cut nowhere, so
 * there is a budget for all of them together: while it is used up, only sources are heard from which something genuine
 * came before. Where a source cannot be forged, as with connections, such ones are not cut off either.
 */
interface Bucket {
  tokens: number;
  at: number;
}

/** What one source, and all together, may do that is not genuine. */
const perSource = { burst: 200, perSecond: 20 };
const ofAll = { burst: 2000, perSecond: 200 };
const cutMs = 60_000;
const sourcesMax = 1024;

export type Hearing = "heard" | "cut" | "crowded";

export class SourceGuard {
  readonly #buckets = new Map<string, Bucket>();
  /** Apart from the others, so that new sources do not make room by having old ones forgiven. */
  readonly #cutUntil = new Map<string, number>();
  /** Something genuine came from there; the latest last. */
  readonly #genuine = new Set<string>();
  readonly #all: Bucket = { tokens: ofAll.burst, at: 0 };
  readonly #sparesGenuine: boolean;

  constructor(options: { readonly sparesGenuine: boolean }) {
    this.#sparesGenuine = options.sparesGenuine;
  }

  /** Whether to look at what comes from there at all. */
  hear(address: string, now: number): Hearing {
    if (this.#sparesGenuine && this.#genuine.has(address)) return "heard";
    if (now < (this.#cutUntil.get(address) ?? -Infinity)) return "cut";
    if (refilled(this.#all, ofAll, now).tokens >= 1 || this.#genuine.has(address)) return "heard";
    return "crowded";
  }

  isGenuine(address: string): boolean {
    return this.#genuine.has(address);
  }

  /** Nothing genuine is to be expected from there any more. */
  forget(address: string): void {
    this.#genuine.delete(address);
  }

  good(address: string): void {
    this.#genuine.delete(address);
    this.#genuine.add(address);
    dropOldest(this.#genuine);
  }

  /** Something that was not genuine came from there. True when that was once too often. */
  bad(address: string, now: number): boolean {
    if (now < (this.#cutUntil.get(address) ?? -Infinity)) return false;
    refilled(this.#all, ofAll, now).tokens -= 1;
    const bucket = this.#buckets.get(address) ?? { tokens: perSource.burst, at: now };
    this.#buckets.delete(address);
    refilled(bucket, perSource, now).tokens -= 1;
    if (bucket.tokens > 0) {
      this.#buckets.set(address, bucket);
      dropOldest(this.#buckets);
      return false;
    }
    this.#cutUntil.delete(address);
    this.#cutUntil.set(address, now + cutMs);
    dropOldest(this.#cutUntil);
    return true;
  }
}

function refilled(bucket: Bucket, rate: typeof perSource, now: number): Bucket {
  const gained = ((now - bucket.at) / 1000) * rate.perSecond;
  bucket.tokens = Math.min(rate.burst, Math.max(0, bucket.tokens) + gained);
  bucket.at = now;
  return bucket;
}

function dropOldest(all: Set<string> | Map<string, unknown>): void {
  if (all.size <= sourcesMax) return;
  const [oldest] = all.keys();
  if (oldest !== undefined) all.delete(oldest);
}
