/**
 * Slow duties and evidence from the host: forgetting members that are long gone, trying failed ones again,
 * the agent's own degraded mark, and what connections and the event loop tell.
 */
import { type Random } from "../../base/random.ts";
import { type AntiEntropy } from "./anti-entropy.ts";
import { type Awareness } from "./awareness.ts";
import { type Membership } from "./membership.ts";
import { type MemberTable } from "./member-table.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { type SelfVoice } from "./self-voice.ts";
import { type Input, type Ix, Status, type Turn } from "./types.ts";

export interface UpkeepOptions {
  readonly awarenessMax: number;
  readonly reapFailedMs: number;
  readonly reapLeftMs: number;
  readonly reconnectIntervalMs: number;
  readonly lifeguard: { readonly probe: boolean };
}

export interface UpkeepDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly awareness: Awareness;
  readonly membership: Membership;
  readonly voice: SelfVoice;
  readonly sync: AntiEntropy;
  readonly peers: PeerChoice;
  readonly random: Random;
}

type HostNews = Extract<Input, { readonly kind: "loopLag" | "slowness" }>;

/** A refused dial counts as evidence only so long after the connection closed. */
const closedMemoryMs = 10_000;
const closedMax = 64;
const lagToleratedMs = 200;
const markPauseMs = 10_000;

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #deps: UpkeepDependencies;
  readonly #closedAt = new Map<Ix, number>();
  #nextReconnect: number;
  #nextReap: number;
  #markedAt = -Infinity;

  constructor(options: UpkeepOptions, dependencies: UpkeepDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#nextReconnect = now + dependencies.random.float() * options.reconnectIntervalMs;
    this.#nextReap = now + this.#reapInterval();
  }

  get nextDeadline(): number {
    const { table } = this.#deps;
    const failed = table.count(Status.failed);
    const gone = failed + table.count(Status.left);
    return Math.min(
      failed > 0 ? this.#nextReconnect : Infinity,
      gone > 0 ? this.#nextReap : Infinity,
    );
  }

  tick(turn: Turn): void {
    if (turn.now >= this.#nextReconnect) this.#reconnect(turn);
    if (turn.now >= this.#nextReap) this.#reap(turn);
    this.#markDegraded(turn);
  }

  /** The event loop was late, now or again and again: doubt oneself before others. */
  host(news: HostNews): void {
    const { awareness } = this.#deps;
    if (news.kind === "slowness") awareness.slowness = news.factor;
    else if (news.worstMs > lagToleratedMs && this.#options.lifeguard.probe) awareness.change(1);
  }

  connection(turn: Turn, peer: Ix, state: "open" | "closed" | "refused" | "timeout"): void {
    if (state === "closed") {
      this.#closedAt.set(peer, turn.now);
      if (this.#closedAt.size > closedMax) this.#forgetOldestClosed();
    }
    if (state === "open") this.#opened(turn, peer);
    if (state === "refused") this.#refused(turn, peer);
  }

  /** A failed member that opens a connection is back from behind a partition: compare views at once. */
  #opened(turn: Turn, peer: Ix): void {
    this.#closedAt.delete(peer);
    const { table, sync } = this.#deps;
    if (table.status(peer) === Status.failed) sync.start(turn, peer);
  }

  #refused(turn: Turn, member: Ix): void {
    const closedAt = this.#closedAt.get(member);
    if (closedAt === undefined || turn.now - closedAt > closedMemoryMs) return;
    const { table, membership, self } = this.#deps;
    if (!table.isUp(member)) return;
    const incarnation = table.incarnation(member);
    membership.accuse(turn, { kind: "suspect", member, incarnation, from: self, refused: true });
  }

  #forgetOldestClosed(): void {
    const [oldest] = this.#closedAt.keys();
    if (oldest !== undefined) this.#closedAt.delete(oldest);
  }

  /** serf's reconnect: tries one failed member with the probability failed / up. */
  #reconnect(turn: Turn): void {
    const { table, random, peers, sync } = this.#deps;
    this.#nextReconnect = turn.now + this.#options.reconnectIntervalMs * (0.5 + random.float());
    const failed = table.count(Status.failed);
    if (failed === 0 || random.float() > failed / table.upCount) return;
    const [peer] = peers.among(1, (ix) => table.status(ix) === Status.failed);
    if (peer !== undefined) sync.start(turn, peer);
  }

  #reap(turn: Turn): void {
    this.#nextReap = turn.now + this.#reapInterval();
    const { table, membership } = this.#deps;
    for (let ix = 0; ix < table.bound; ix += 1) {
      const age = turn.now - table.since(ix);
      const status = table.status(ix);
      const isOver =
        (status === Status.failed && age >= this.#options.reapFailedMs) ||
        (status === Status.left && age >= this.#options.reapLeftMs);
      if (isOver && ix !== this.#deps.self) membership.forget(turn, ix);
    }
  }

  #reapInterval(): number {
    return Math.min(15_000, this.#options.reapFailedMs / 4, this.#options.reapLeftMs / 4);
  }

  /** Tells others not to ask this agent for indirect probes while it cannot trust itself. */
  #markDegraded(turn: Turn): void {
    const { awareness, voice } = this.#deps;
    const marked = voice.record.body.degraded;
    const bad = awareness.score >= this.#options.awarenessMax / 2;
    if (marked === bad || (marked && awareness.score > 1)) return;
    if (turn.now - this.#markedAt < markPauseMs || voice.isLeaving) return;
    this.#markedAt = turn.now;
    voice.say(turn, { degraded: bad });
  }
}
