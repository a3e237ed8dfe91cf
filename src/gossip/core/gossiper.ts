/**
 * Gossip rounds: while rumours wait, a few random peers get one frame each, at most once per interval. After
 * a quiet time the first rumour leaves at once. Members that failed a moment ago stay targets and get the
 * accusation too: one wrongly accused can only refute what it hears.
 */
import { type Awareness } from "./awareness.ts";
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type FrameBuilder } from "./frame-builder.ts";
import { type Membership } from "./membership.ts";
import { type MemberTable } from "./member-table.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { type Random } from "../../base/random.ts";
import { type SelfVoice } from "./self-voice.ts";
import { type Ix, Status, type Turn } from "./types.ts";

export interface GossiperOptions {
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  readonly gossipToFailedMs: number;
  readonly lifeguard: { readonly buddy: boolean };
}

export interface GossiperDependencies {
  readonly membership: Membership;
  readonly voice: Pick<SelfVoice, "isDenying">;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly peers: PeerChoice;
  readonly frames: FrameBuilder;
  readonly random: Random;
  readonly awareness: Pick<Awareness, "slowness">;
}

/** So many times longer at most: a denial must be heard before the suspicion that it denies ends. */
const slowestRounds = 3;
const recentlyFailedMax = 64;
/** Share of rounds in which one of them gets a frame. Others tell them too, when they ping. */
const failedShare = 1 / 4;

export class Gossiper {
  readonly #options: GossiperOptions;
  readonly #deps: GossiperDependencies;
  #recentlyFailed: Ix[] = [];
  #nextRound: number;

  constructor(options: GossiperOptions, dependencies: GossiperDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#nextRound = now;
  }

  /** Infinity while there is nothing to say. */
  get nextDeadline(): number {
    return this.#deps.queue.size === 0 ? Infinity : this.#nextRound;
  }

  failed(ix: Ix): void {
    this.#recentlyFailed.push(ix);
    if (this.#recentlyFailed.length > recentlyFailedMax) this.#recentlyFailed.shift();
  }

  tick(turn: Turn): void {
    const { queue, frames, membership, voice } = this.#deps;
    if (queue.size === 0 || turn.now < this.#nextRound) return;
    this.#nextRound = turn.now + this.#interval();
    for (const target of this.#targets(turn)) {
      if (queue.size === 0) return;
      const accusation = this.#options.lifeguard.buddy ? membership.against(target) : null;
      const frame = accusation === null ? frames.build() : frames.build(accusation);
      // A lane that stood still may be why somebody is accused: the other one brings it there, and the denial back.
      const isUrgent = accusation !== null || voice.isDenying(turn.now);
      turn.out.frame(target, frame, isUrgent ? "both" : "usual");
    }
  }

  /** A slow host says the same in fewer, fuller frames: a frame costs it and its peers more than what is in it. */
  #interval(): number {
    return this.#options.gossipIntervalMs * Math.min(slowestRounds, this.#deps.awareness.slowness);
  }

  #targets(turn: Turn): readonly Ix[] {
    const { peers, table, random } = this.#deps;
    const fanout = this.#options.gossipFanout;
    const oldest = turn.now - this.#options.gossipToFailedMs;
    this.#recentlyFailed = this.#recentlyFailed.filter(
      (ix) => table.status(ix) === Status.failed && table.since(ix) >= oldest,
    );
    const up = peers.up(fanout, () => true);
    const failed = this.#recentlyFailed[random.below(this.#recentlyFailed.length)];
    if (failed === undefined || random.float() >= failedShare) return up;
    return [failed, ...up].slice(0, fanout);
  }
}
