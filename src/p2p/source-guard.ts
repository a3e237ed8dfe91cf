/**
 * Cuts off sources that keep sending what is not genuine, before it costs a decryption. A source is an address with
 * its port, as many agents may be behind one address. It can be forged: at worst a member's own datagrams are dropped
 * for a minute, and its probes pass over streams.
 */
interface Source {
  tokens: number;
  at: number;
  cutUntil: number;
}

const burst = 200;
const perSecond = 20;
const cutMs = 60_000;
const sourcesMax = 1024;

export class SourceGuard {
  readonly #sources = new Map<string, Source>();

  isCut(address: string, now: number): boolean {
    const source = this.#sources.get(address);
    return source !== undefined && now < source.cutUntil;
  }

  /** Something that was not genuine came from there. True when that was once too often. */
  bad(address: string, now: number): boolean {
    const source = this.#source(address, now);
    source.tokens = Math.min(burst, source.tokens + ((now - source.at) / 1000) * perSecond) - 1;
    source.at = now;
    if (source.tokens > 0 || now < source.cutUntil) return false;
    source.cutUntil = now + cutMs;
    source.tokens = burst;
    return true;
  }

  #source(address: string, now: number): Source {
    const known = this.#sources.get(address);
    if (known !== undefined) return known;
    const [oldest] = this.#sources.keys();
    if (this.#sources.size >= sourcesMax && oldest !== undefined) this.#sources.delete(oldest);
    const source = { tokens: burst, at: now, cutUntil: -Infinity };
    this.#sources.set(address, source);
    return source;
  }
}
