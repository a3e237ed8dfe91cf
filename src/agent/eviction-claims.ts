/**
 * What members say about this agent's own eviction, and when that is believed. One member alone may lie, or be so far
 * behind that it knows less than this agent: two must say so where the own replica knows two others, and what it covers
 * itself, or a later word gainsays, does not count. A claim that is not enough yet is a reason to wait all the same:
 * whoever made it is a living member, so this agent has outlived nobody.
 */
import { type PeerId } from "../base/ids.ts";
import { currentGeneration, isOfHistory } from "../consensus/lineage/generation.ts";
import { type Lineage } from "../consensus/lineage/types.ts";
import { type HistoryPoint, type Standing } from "../p2p/standing-wire.ts";

/** What this agent knows by itself. */
export interface OwnView {
  readonly lineage: Lineage;
  readonly appliedIndex: number;
  /** All others that are admitted by this replica. */
  readonly others: readonly PeerId[];
}

export interface Claim extends HistoryPoint {
  readonly by: PeerId;
}

export interface EvictionVerdict {
  /** True: enough members say so. */
  readonly believed: boolean;
  readonly claims: readonly Claim[];
  /** How many members must say so. */
  readonly needed: number;
}

const witnesses = 2;

export class EvictionClaims {
  readonly #words = new Map<PeerId, Standing>();

  /** The latest word of a member replaces its earlier ones. */
  said(by: PeerId, word: Standing): void {
    this.#words.set(by, word);
  }

  /** Null when nobody who counts says that this agent was evicted. */
  verdict(own: OwnView): EvictionVerdict | null {
    const claims: Claim[] = [];
    const denials: HistoryPoint[] = [];
    for (const by of own.others) {
      const word = this.#words.get(by);
      if (word === undefined || word.standing === "unknown") continue;
      const { generation, index } = word;
      if (word.standing === "admitted") denials.push({ generation, index });
      else if (!isCovered({ generation, index }, own)) claims.push({ by, generation, index });
    }
    if (claims.length === 0) return null;
    const needed = Math.min(witnesses, own.others.length);
    const undenied = claims.filter((claim) => !denials.some((denial) => isLater(denial, claim)));
    return { believed: undenied.length >= needed, claims, needed };
  }
}

/** This replica has been there, and is still admitted: whoever says so knows less than it does. */
function isCovered(
  { generation, index }: HistoryPoint,
  { lineage, appliedIndex }: OwnView,
): boolean {
  const isCurrent = currentGeneration(lineage).id === generation.id;
  if (isCurrent) return index <= appliedIndex;
  return isOfHistory({ generation: generation.id, index }, lineage);
}

function isLater(one: HistoryPoint, other: HistoryPoint): boolean {
  if (one.generation.id === other.generation.id) return one.index >= other.index;
  return one.generation.n > other.generation.n;
}
