/**
 * What members say about this agent's own eviction, and when that is believed. One member alone may lie, or be so far
 * behind that it knows less than this agent: two must say so where the own replica knows two others, and what it covers
 * itself, or another member gainsays, does not count. A claim that is not enough yet is a reason to wait all the same:
 * whoever made it is a living member, so this agent has outlived nobody.
 *
 * Of a generation that is not this agent's nobody can say here whether it will win: neither a greater number nor descent
 * tells, for a quorum that stayed in the parent beats its child. So whoever still admits this agent in another history
 * gainsays it, and while nobody does there must have been time to be heard. Those who would may be cut off for longer:
 * while the word of any is missing, a majority of all others must say so. In doubt the agent waits, which harms nobody.
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
  /** For how long it has had no leader, or no company. */
  readonly forsakenMs: number;
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

interface Word {
  readonly standing: Standing;
  readonly atMs: number;
}

const witnesses = 2;
/** Some rounds of questions, and longer than an election or a short cut takes. */
const foreignPatienceMs = 30_000;

export class EvictionClaims {
  readonly #words = new Map<PeerId, Word>();

  /** The latest word of a member replaces its earlier ones. */
  said(by: PeerId, standing: Standing, atMs: number): void {
    this.#words.set(by, { standing, atMs });
  }

  /** Drops what `by` said before. */
  forget(by: PeerId, thenMs: number): void {
    const word = this.#words.get(by);
    if (word !== undefined && word.atMs < thenMs) this.#words.delete(by);
  }

  /** Drops what was said before. */
  forgetBefore(thenMs: number): void {
    for (const [by, { atMs }] of this.#words) if (atMs < thenMs) this.#words.delete(by);
  }

  /** How many said since `thenMs` that this agent is a member. */
  admittingSince(thenMs: number): number {
    const words = [...this.#words.values()];
    return words.filter(({ standing, atMs }) => atMs >= thenMs && standing.standing === "admitted")
      .length;
  }

  /** Null when nobody who counts says that this agent was evicted. */
  verdict(own: OwnView): EvictionVerdict | null {
    const claims: Claim[] = [];
    const denials: HistoryPoint[] = [];
    for (const by of own.others) {
      const word = this.#words.get(by)?.standing;
      if (word === undefined || word.standing === "unknown") continue;
      const { generation, index } = word;
      if (word.standing === "admitted") denials.push({ generation, index });
      else if (!isCovered({ generation, index }, own)) claims.push({ by, generation, index });
    }
    if (claims.length === 0) return null;
    const counting = claims.filter(
      (claim) => isTimely(claim, own) && !denials.some((denial) => gainsays(denial, claim, own)),
    );
    const few = Math.min(witnesses, own.others.length);
    const ofOwn = counting.filter((claim) => isOfOwn(claim, own));
    if (ofOwn.length >= few) return { believed: true, claims, needed: few };
    const isForeign = claims.some((claim) => !isOfOwn(claim, own));
    const isAnyUnheard = own.others.some((other) => !this.#words.has(other));
    const majority = Math.floor(own.others.length / 2) + 1;
    const needed = isForeign && isAnyUnheard ? Math.max(few, majority) : few;
    return { believed: counting.length >= needed, claims, needed };
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

function isOfOwn({ generation }: Claim, { lineage }: OwnView): boolean {
  return currentGeneration(lineage).id === generation.id;
}

function isTimely(claim: Claim, own: OwnView): boolean {
  return isOfOwn(claim, own) || own.forsakenMs >= foreignPatienceMs;
}

/** Whoever is behind does not: earlier in the same generation, or left behind where this replica's history has been. */
function gainsays(denial: HistoryPoint, claim: HistoryPoint, { lineage }: OwnView): boolean {
  const { generation, index } = denial;
  if (generation.id === claim.generation.id) return index >= claim.index;
  if (generation.id === currentGeneration(lineage).id) return true;
  return !isOfHistory({ generation: generation.id, index }, lineage);
}
