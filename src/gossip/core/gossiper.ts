/**
 * Gossip rounds: while rumours wait, a few random peers get one frame each, at most once per interval. After
 * a quiet time the first rumour leaves at once. Members that failed a moment ago stay targets and get the
 * accusation too: one wrongly accused can only refute what it hears.
 */
import { type BroadcastQueue } from "./broadcast-queue.ts";
import { type FrameBuilder } from "./frame-builder.ts";
import { type MemberTable } from "./member-table.ts";
import { type PeerChoice } from "./peer-choice.ts";
import { type Random, shuffle } from "../../base/random.ts";
import { type Accusation, type Ix, Status, type Turn } from "./types.ts";

export interface GossiperOptions {
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  readonly gossipToFailedMs: number;
  readonly lifeguard: { readonly buddy: boolean };
}

export interface GossiperDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly peers: PeerChoice;
  readonly frames: FrameBuilder;
  readonly random: Random;
}

const recentlyFailedMax = 64;

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
    const { queue, frames } = this.#deps;
    if (queue.size === 0 || turn.now < this.#nextRound) return;
    this.#nextRound = turn.now + this.#options.gossipIntervalMs;
    for (const target of this.#targets(turn)) {
      if (queue.size === 0) return;
      const accusation = this.#accusationOf(target);
      turn.out.frame(target, accusation === null ? frames.build() : frames.build(accusation));
    }
  }

  #targets(turn: Turn): readonly Ix[] {
    const { peers, table, random } = this.#deps;
    const fanout = this.#options.gossipFanout;
    const oldest = turn.now - this.#options.gossipToFailedMs;
    this.#recentlyFailed = this.#recentlyFailed.filter(
      (ix) => table.status(ix) === Status.failed && table.since(ix) >= oldest,
    );
    const up = peers.up(fanout, () => true);
    if (this.#recentlyFailed.length === 0) return up;
    // A failed member is one candidate among the many that are up, as in memberlist.
    const chance = this.#recentlyFailed.length / (table.upCount + this.#recentlyFailed.length);
    const failed = shuffle([...this.#recentlyFailed], random).filter(
      (_, at) => at < fanout && random.float() < Math.max(chance, 1 / (4 * fanout)),
    );
    return [...failed, ...up].slice(0, fanout);
  }

  #accusationOf(target: Ix): Accusation | null {
    const { table, self } = this.#deps;
    const status = table.status(target);
    if (status !== Status.suspect && status !== Status.failed) return null;
    if (!this.#options.lifeguard.buddy) return null;
    return {
      kind: status === Status.suspect ? "suspect" : "failed",
      member: target,
      incarnation: table.incarnation(target),
      from: self,
      refused: false,
    };
  }
}
