/**
 * When a leader should doubt its own eyes: its gossip health is poor and no others say the same, or so many members
 * failed at once, many of those it talks to itself among them, that its own network is the likelier cause. Losses are
 * held back for so long.
 */
import { type PeerId } from "../base/ids.ts";

export interface LeaderDoubtOptions {
  /** Gossip's health score from which the leader's own view is in doubt. */
  readonly doubtScore: number;
  /** Poor health holds no loss longer than this, though nobody confirms it: the doubt is chronic. */
  readonly maxDoubtMs: number;
  /** More than this share of the members, and of the leader's own neighbours, failed within `massWindowMs`. */
  readonly massShare: number;
  readonly massWindowMs: number;
  /** The guard is for fleets: fewer failures than this are always believed. */
  readonly massNodes: number;
}

export interface Doubt {
  readonly reason: "LeaderUnwell" | "MassLoss";
  readonly message: string;
  /** Until when this holds a loss. */
  readonly until: (loss: HeldLoss) => number;
}

export interface HeldLoss {
  readonly since: number;
  /** From when on it has been there for long enough. */
  readonly heldAt: number;
}

export interface DoubtInput {
  readonly now: number;
  readonly healthScore: number;
  readonly nodeCount: number;
  /** When each node that gossip calls failed began to be so. */
  readonly failedSince: ReadonlyMap<PeerId, number>;
  /** When members were asked that had the same view as this agent, once for each of the last few. */
  readonly agreedAt: readonly number[];
  /** Members that are up, without this agent. */
  readonly othersUp: number;
  /** The members this agent probes and is probed by, as the overlay is now. */
  readonly neighbours: readonly PeerId[];
}

/** So many must have said the same, where there are so many. */
const opinions = 2;

export class LeaderDoubt {
  readonly #options: LeaderDoubtOptions;
  /** Neighbours before the trouble began: the overlay replaces those that failed at once. */
  #ring: readonly PeerId[] = [];

  constructor(options: LeaderDoubtOptions) {
    this.#options = options;
  }

  assess(input: DoubtInput): Doubt | null {
    const { now, failedSince, neighbours } = input;
    const { massWindowMs } = this.#options;
    const recent = new Map([...failedSince].filter(([, since]) => since > now - massWindowMs));
    if (recent.size === 0) this.#ring = neighbours;
    const unwell = this.#unwell(input);
    const mass = this.#massLoss(input, recent);
    if (unwell === null || mass === null) return unwell ?? mass;
    return { ...unwell, until: (loss) => Math.max(unwell.until(loss), mass.until(loss)) };
  }

  /**
   * An agent that is slow may have missed that a member denied its failure, however long ago. Others did not miss it
   * too, if they are well and still have the whole view in common with it after the time in which to deny.
   */
  #unwell({ healthScore, agreedAt, othersUp }: DoubtInput): Doubt | null {
    const { doubtScore, maxDoubtMs } = this.#options;
    if (healthScore < doubtScore) return null;
    return {
      reason: "LeaderUnwell",
      message: `the leader's own gossip health is poor (score ${healthScore})`,
      until: ({ since, heldAt }) => {
        const wanted = Math.max(1, Math.min(opinions, othersUp));
        const isShared = agreedAt.filter((at) => at >= heldAt).length >= wanted;
        return isShared ? -Infinity : since + maxDoubtMs;
      },
    };
  }

  #massLoss({ nodeCount }: DoubtInput, recent: ReadonlyMap<PeerId, number>): Doubt | null {
    const { massShare, massNodes, massWindowMs } = this.#options;
    if (recent.size < massNodes || recent.size <= massShare * nodeCount) return null;
    const lost = this.#ring.filter((id) => recent.has(id)).length;
    if (lost <= massShare * this.#ring.length) return null;
    const windowEndsAt = Math.min(...recent.values()) + massWindowMs;
    return {
      reason: "MassLoss",
      message: `${recent.size} of ${nodeCount} nodes failed together, ${lost} of the leader's ${this.#ring.length} neighbours among them`,
      until: () => windowEndsAt,
    };
  }
}
