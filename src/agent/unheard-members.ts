/**
 * When an agent itself asks a member of the inventory that gossip has not heard of. One that runs says so itself, and
 * gossip tells the others; this is for those that cannot, or whose word got lost. Were every member to ask, again and
 * again, a newcomer that is slow to begin would be slowed by as many handshakes as there are members, and its machine's
 * neighbours with it, the more of them the longer it takes. So a few ask, whoever the dice choose, and each time later.
 */
import { type PeerId } from "../base/ids.ts";
import { type Random } from "../base/random.ts";

/** Of all members, so many ask at a time, on average. */
const askers = 4;
/** A newcomer has half to one and a half times this long before anybody asks. */
const firstMs = 10_000;
const longestMs = 300_000;

interface Unheard {
  readonly at: number;
  readonly pauseMs: number;
}

export class UnheardMembers {
  readonly #random: Random;
  readonly #unheard = new Map<PeerId, Unheard>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** It was admitted while this agent looked on. */
  admitted(peer: PeerId, now: number): void {
    this.#wait(peer, now, firstMs);
  }

  /** Gossip knows it, or nobody is to ask it any more. */
  forget(peer: PeerId): void {
    this.#unheard.delete(peer);
  }

  /** True when this agent asks it now. @param heard how many others gossip says are up. */
  isDue(peer: PeerId, now: number, heard: number): boolean {
    const { at, pauseMs } = this.#unheard.get(peer) ?? { at: now, pauseMs: firstMs / 2 };
    if (now < at) return false;
    // Who knows of nobody depends on it, and is as a rule one of few.
    const isAlone = heard <= 0;
    this.#wait(peer, now, isAlone ? firstMs : Math.min(longestMs, 2 * pauseMs));
    return isAlone || this.#random.float() * (heard + 1) < askers;
  }

  #wait(peer: PeerId, now: number, pauseMs: number): void {
    const at = now + pauseMs * (0.5 + this.#random.float());
    this.#unheard.set(peer, { at, pauseMs });
  }
}
