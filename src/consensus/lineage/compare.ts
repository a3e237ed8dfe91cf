/**
 * How the histories of two agents relate, from what they tell each other (consensus.md §2.7). Both sides compute
 * the same answer with the roles exchanged.
 *
 * Let c be their last common generation. A side that left c ends in c at its fork; one that is still in c, at its
 * last entry. Ends are ordered like logs in Raft, by (term, index): the greater one holds everything that was ever
 * committed in c and is in the other (§2.6), which a comparison of commit indices cannot promise, because they lag.
 *
 * - A side still in c whose committed entries are all in what the other kept is *behind*: it lacks the other's new
 *   generation and has nothing confirmed of its own. If its log ends beyond the fork, what is beyond `at` may have
 *   been acknowledged all the same (`tail`): it must be exported before it is cut off.
 * - Otherwise both went on: *diverged*. The winner is the greatest by W1 (end in c), W0, W2, W3, W4, all taken from
 *   the first generation after c, so that the order is the same whichever two of many branches meet. A side that
 *   still has a leader with a quorum in c is greater than every end: it can commit more at any moment.
 *
 * Two things lie outside that order, and every meeting ends one lineage, so neither can make a chase without end: a
 * member that has not received all of its generation answers for the generation, and a tail is merged although its
 * end is the greater one, for one late write must not outweigh a day of the survivor's.
 */
import { assert, must } from "../../base/assert.ts";
import { type Index, type NodeId, type Term } from "../core/types.ts";
import { type Generation, type LineageHello, type Relation, type WinnerRule } from "./types.ts";

type Who = "me" | "them";

/** One side, seen from the last common generation. */
interface Side {
  readonly who: Who;
  /** First generation after the common one; null for a side that is still in it. */
  readonly left: Generation | null;
  /** Where this side ends in the common generation. */
  readonly end: { readonly term: Term; readonly index: Index };
  /** Certainly committed in the common generation. */
  readonly commit: Index;
  /** Leads, with a quorum, in the common generation. */
  readonly leader: NodeId | null;
  readonly chains: ReadonlyMap<Index, string>;
}

export function compareLineage(me: LineageHello, them: LineageHello): Relation {
  if (me.clusterId !== them.clusterId) return { relation: "foreign", why: "another cluster" };
  const common = lastCommon(me.generations, them.generations);
  if (common === null) return { relation: "foreign", why: "no common generation" };
  const mine = sideOf("me", me, common);
  const theirs = sideOf("them", them, common);
  if (mine === null || theirs === null) {
    return { relation: "foreign", why: "too many generations apart to compare" };
  }
  const known = Math.min(mine.commit, theirs.commit);
  const conflict = sharedIndices(mine, theirs).find(
    (index) => index <= known && !equalAt(mine, theirs, index),
  );
  if (conflict !== undefined) {
    const why = `entry ${conflict} is committed on both sides, with different content`;
    return { relation: "foreign", why };
  }
  if (mine.left === null && theirs.left === null) return { relation: "same" };
  if (theirs.left !== null && isBehind(mine, theirs)) return behind(mine, theirs);
  if (mine.left !== null && isBehind(theirs, mine)) return behind(theirs, mine);
  return diverged(common, mine, theirs);
}

function lastCommon(a: readonly Generation[], b: readonly Generation[]): Generation | null {
  const ids = new Set(b.map(({ id }) => id));
  return a.findLast(({ id }) => ids.has(id)) ?? null;
}

/** Null when the generation that followed `common` on this path is no longer known. */
function sideOf(who: Who, hello: LineageHello, common: Generation): Side | null {
  const at = hello.generations.findIndex(({ id }) => id === common.id);
  const after = hello.generations.slice(at + 1);
  const left = after[0] ?? null;
  const chains = new Map(hello.chains);
  if (left === null) {
    const end = { term: hello.lastTerm, index: hello.lastIndex };
    return { who, left, end, commit: hello.commit, leader: hello.leader, chains };
  }
  if (left.parent !== common.id) return null;
  // A survivor that lagged may still hold entries that its generation does not: only what is committed counts.
  for (const index of chains.keys()) if (index > hello.commit) chains.delete(index);
  for (const { forkIndex, forkChain } of after) chains.set(forkIndex, forkChain);
  return { who, left, end: kept(after), commit: keptCommit(after), leader: null, chains };
}

/**
 * How much of a generation a path that left it still has. A later fork can lie before an earlier one: a survivor of
 * the second may not have received all of the first.
 */
function kept(after: readonly Generation[]): Side["end"] {
  const ends = after.map(({ forkTerm: term, forkIndex: index }) => ({ term, index }));
  return ends.reduce((least, end) => (compareEnds(end, least) < 0 ? end : least));
}

function keptCommit(after: readonly Generation[]): Index {
  return Math.min(...after.map(({ legitCommit }) => legitCommit));
}

/** Positions in the common generation at which both sides told their chain, ascending. */
function sharedIndices(a: Side, b: Side): readonly Index[] {
  const most = Math.min(a.end.index, b.end.index);
  const shared = [...a.chains.keys()].filter((index) => index <= most && b.chains.has(index));
  return shared.sort((x, y) => x - y);
}

function equalAt(a: Side, b: Side, index: Index): boolean {
  return a.chains.get(index) === b.chains.get(index);
}

/** Is everything that `stayed` knows to be committed in what `gone` kept? */
function isBehind(stayed: Side, gone: Side): boolean {
  if (stayed.left !== null || stayed.leader !== null) return false;
  return stayed.commit <= lastShared(stayed, gone) || compareEnds(stayed.end, gone.end) <= 0;
}

function behind(stayed: Side, gone: Side): Relation {
  const at = lastShared(stayed, gone);
  return { relation: "behind", who: stayed.who, at, tail: compareEnds(stayed.end, gone.end) > 0 };
}

/** The last position at which both hold the same entries, as far as they told. */
function lastShared(a: Side, b: Side): Index {
  const most = Math.min(a.end.index, b.end.index);
  const equal = sharedIndices(a, b).findLast((index) => equalAt(a, b, index)) ?? 0;
  const sameEnd = compareEnds(a.end, b.end) === 0 ? a.end.index : 0;
  // Of two logs of one generation the greater end holds all that the lesser has committed.
  const lesser = compareEnds(a.end, b.end) <= 0 ? a : b;
  const committed = Math.max(lesser.commit, Math.min(a.commit, b.commit));
  return Math.max(equal, sameEnd, Math.min(committed, most));
}

function compareEnds(a: Side["end"], b: Side["end"]): number {
  return a.term - b.term || a.index - b.index;
}

function diverged(common: Generation, mine: Side, theirs: Side): Relation {
  const { order, rule } = winner(mine, theirs);
  assert(order !== 0, "two different generations have different ids");
  return {
    relation: "diverged",
    ancestor: common.id,
    forkIndex: lastShared(mine, theirs),
    winner: order > 0 ? "me" : "them",
    rule,
  };
}

/** Positive when `a` wins. */
function winner(a: Side, b: Side): { readonly order: number; readonly rule: WinnerRule } {
  const leads = Number(a.leader !== null) - Number(b.leader !== null);
  const w1 = leads !== 0 ? leads : compareEnds(a.end, b.end);
  if (w1 !== 0) return { order: w1, rule: "W1" };
  const left = must(a.left, "a side that stayed is behind, or wins by W1");
  const right = must(b.left, "a side that stayed is behind, or wins by W1");
  const w0 = Number(witnessed(left)) - Number(witnessed(right));
  if (w0 !== 0) return { order: w0, rule: "W0" };
  const w2 = strength[left.kind] - strength[right.kind];
  if (w2 !== 0) return { order: w2, rule: "W2" };
  const w3 = left.members.length - right.members.length;
  if (w3 !== 0) return { order: w3, rule: "W3" };
  return { order: left.id < right.id ? 1 : -1, rule: "W4" };
}

/** Proven, or begun by members who saw the others fall silent. */
function witnessed({ kind, outlived }: Generation): boolean {
  return outlived || kind === "forced-proof";
}

const strength: { readonly [kind in Generation["kind"]]: number } = {
  "forced-proof": 3,
  "forced-operator": 2,
  "forced-auto": 1,
  bootstrap: 0,
};
