/**
 * Asks other members whether this agent still is one, while it has no leader or no company. Who was forgotten while it
 * was down is refused by all, and would take the cluster for dead: before it goes on alone in a generation of its own
 * it must have asked. What is believed is eviction-claims.ts. With a leader and company it needs nobody's word: none
 * that comes then decides anything, and those that there are lapse. So do those of a member that answers no more.
 *
 * A cluster that loses its leader because its machines are overloaded is forsaken as a whole: if all asked as fast as
 * they can, that alone would keep it so. Few questions are under way, and who has been reassured asks seldom.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type Lineage } from "../consensus/lineage/types.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type Standing } from "../p2p/standing-wire.ts";
import { EvictionClaims, type EvictionVerdict } from "./eviction-claims.ts";

export interface EvictionInquiryDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly lineage: () => Lineage;
  /** A leader with a quorum is in sight. */
  readonly hasQuorum: () => boolean;
  readonly gossip: Pick<GossipNode, "members">;
  /** @throws when the peer is not reached, or refuses to say */
  readonly ask: (peer: PeerId, signal: AbortSignal) => Promise<Standing>;
  /** Enough members said that this agent was evicted. */
  readonly onEvicted: (verdict: EvictionVerdict) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const periodMs = 1_000;
/** In company and with a leader. */
const idleMs = 5_000;
/** A member is asked at most so often. */
const againMs = 10_000;
const askedAtOnce = 3;
/** Those who do not answer must not keep the others from being asked for long. */
const underWayMax = 2 * askedAtOnce;
/**
 * Words older than this are of the past: all of them in company and with a leader, where nobody is asked again, and
 * otherwise those of a member that was asked again in vain.
 */
const lapseMs = 60_000;

export class EvictionInquiry implements Service {
  readonly name = "eviction-inquiry";
  readonly #deps: EvictionInquiryDeps;
  readonly #background: Background;
  readonly #claims = new EvictionClaims();
  readonly #askedAt = new Map<PeerId, number>();
  #forsakenSinceMs: number | null = null;
  #lastRoundMs = -Infinity;
  #underWay = 0;
  #isDecided = false;

  constructor(deps: EvictionInquiryDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("eviction inquiry", async (signal) => {
      for (let pauseMs = periodMs; ; ) {
        const { clock } = this.#deps;
        await delay(clock, untilBeat(clock, pauseMs), signal);
        const isForsaken = this.#isForsaken();
        if (isForsaken) this.#seek();
        else this.#settle();
        pauseMs = isForsaken ? periodMs : idleMs;
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** What is said about this agent's eviction now; null when nobody says that it was. */
  verdict(): EvictionVerdict | null {
    const { view, lineage, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    return this.#claims.verdict({
      lineage: lineage(),
      appliedIndex: view.appliedIndex,
      others: this.#others(),
      forsakenMs: nowMs - (this.#forsakenSinceMs ?? nowMs),
    });
  }

  #seek(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#forsakenSinceMs ??= nowMs;
    if (this.#isReassured(nowMs) && nowMs - this.#lastRoundMs < againMs) return;
    this.#lastRoundMs = nowMs;
    for (const peer of this.#next()) this.#ask(peer);
  }

  /** As many as are asked at once said lately that this agent is a member, and nobody says otherwise. */
  #isReassured(nowMs: number): boolean {
    const enough = Math.min(askedAtOnce, this.#others().length);
    const admitting = this.#claims.admittingSince(nowMs - 2 * againMs);
    return admitting >= enough && this.verdict() === null;
  }

  #settle(): void {
    this.#forsakenSinceMs = null;
    this.#claims.forgetBefore(this.#deps.clock.monotonicMs() - lapseMs);
  }

  #isForsaken(): boolean {
    const { self, gossip, hasQuorum } = this.#deps;
    if (this.#isDecided) return false;
    if (!hasQuorum()) return true;
    return !gossip.members().some(({ id, status }) => id !== self && status === "alive");
  }

  /** Some that were not asked for a while, drawn by lot. */
  #next(): readonly PeerId[] {
    const { clock, random } = this.#deps;
    const now = clock.monotonicMs();
    const due = this.#others().filter(
      (id) => now - (this.#askedAt.get(id) ?? -Infinity) >= againMs,
    );
    const drawn = due.map((id) => ({ id, lot: random.float() })).sort((a, b) => a.lot - b.lot);
    const count = Math.min(askedAtOnce, underWayMax - this.#underWay);
    const chosen = drawn.slice(0, count).map(({ id }) => id);
    for (const id of chosen) this.#askedAt.set(id, now);
    return chosen;
  }

  #ask(peer: PeerId): void {
    const { ask, clock, logger } = this.#deps;
    this.#underWay += 1;
    this.#background.run(`ask ${peer}`, async (signal) => {
      try {
        this.#hear(peer, await ask(peer, signal));
      } catch (error) {
        signal.throwIfAborted();
        this.#claims.forget(peer, clock.monotonicMs() - lapseMs);
        logger.debug(
          { peer, error: errorMessage(error) },
          "a member did not say whether we are one",
        );
      } finally {
        this.#underWay -= 1;
      }
    });
  }

  #hear(peer: PeerId, word: Standing): void {
    const { clock, logger, onEvicted } = this.#deps;
    this.#claims.said(peer, word, clock.monotonicMs());
    if (!this.#isForsaken() || word.standing !== "evicted") return;
    const verdict = this.verdict();
    if (verdict === null) return;
    logger.warn(
      { peer, ...word, needed: verdict.needed, said: verdict.claims.length },
      "a member says that this agent was evicted",
    );
    if (!verdict.believed) return;
    this.#isDecided = true;
    onEvicted(verdict);
  }

  /** Admitted members besides this one, by this replica. */
  #others(): readonly PeerId[] {
    const { self, view } = this.#deps;
    const admitted = view.members().filter(({ status }) => status === "admitted");
    return admitted.flatMap(({ id }) => (id === self ? [] : [id]));
  }
}
