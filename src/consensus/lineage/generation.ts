/** Making generations: the first one, the child that survivors agree on, and the path of an agent through them. */
import { assert, must } from "../../base/assert.ts";
import { sha256Hex } from "../../base/digest.ts";
import { type Index, type LogPosition, type Term } from "../core/types.ts";
import {
  type Generation,
  type GenerationRef,
  type Lineage,
  type LineageHello,
  type SurvivorPlan,
} from "./types.ts";

export const generationIdDigits = 32;
export const maxGenerations = 64;

/** It follows from the cluster's id, so an agent that joins knows it without being told. */
export function bootstrapGeneration(clusterId: string): Generation {
  return {
    n: 1,
    id: sha256Hex(`muster generation ${clusterId}`).slice(0, generationIdDigits),
    parent: null,
    kind: "bootstrap",
    forkIndex: 0,
    forkTerm: 0,
    forkChain: "",
    legitCommit: 0,
    members: [],
    coordinator: "",
    lost: [],
    outlived: true,
    missingAtMost: 0,
    at: 0,
  };
}

export function bootstrapLineage(clusterId: string): Lineage {
  return { generations: [bootstrapGeneration(clusterId)], promise: null, voteFrom: null };
}

export function currentGeneration({ generations }: Pick<Lineage, "generations">): Generation {
  return must(generations.at(-1), "a lineage has a generation");
}

export function refOf({ n, id }: GenerationRef): GenerationRef {
  return { n, id };
}

/** May the history turn out to be one of several? Until everybody lost at the fork is back or forgotten. */
export function isProvisional({ kind }: Generation): boolean {
  return kind === "forced-auto" || kind === "forced-operator";
}

/**
 * Does a log that ends in `lastTerm` hold the first entry of its generation? That entry has a term above all that a
 * survivor had seen, so also above the fork's; who followed into the generation has at most the fork's.
 */
export function hasBegun({ forkTerm, parent }: Generation, lastTerm: Term): boolean {
  return parent === null || lastTerm > forkTerm;
}

/** Was `child` begun behind a log that lacks the end of this one? What is there may have been acknowledged. */
export function isBehindLog(
  { forkTerm, forkIndex }: Pick<Generation, "forkTerm" | "forkIndex">,
  { lastTerm, lastIndex }: { readonly lastTerm: Term; readonly lastIndex: Index },
): boolean {
  return forkTerm < lastTerm || (forkTerm === lastTerm && forkIndex < lastIndex);
}

/** What `left` becomes for an agent of `lineage` that goes on in `path`, with what it had of the log or without. */
export function leftOver(
  { generations, left = [] }: Lineage,
  path: readonly Generation[],
  { startsOver }: { readonly startsOver: boolean },
): Pick<Lineage, "left"> {
  const own = startsOver ? generations.map(({ id }) => id) : [];
  const half = maxGenerations / 2; // a long path must not drive out what was left before
  const former = [...left.slice(-half), ...own.slice(-half)];
  const rest = [...new Set(former)].filter((id) => path.every((one) => one.id !== id));
  return rest.length > 0 ? { left: rest } : {};
}

/** An agent that started over votes again once its log is as long as the winner's was then. */
export function mayVote({ voteFrom }: Pick<Lineage, "voteFrom">, last: LogPosition): boolean {
  if (voteFrom === null || last.term > voteFrom.term) return true;
  return last.term === voteFrom.term && last.index >= voteFrom.index;
}

/** Where the coordinator's log ends once it and all survivors have promised, so that it moves no more. */
export interface ForkPosition {
  readonly index: Index;
  readonly term: Term;
  /** Hash chain at `index`, hex. */
  readonly chain: string;
  /** Highest commit index that any survivor told; it is cut to `index`. */
  readonly commit: Index;
}

/** @param fresh a random id (32 hex digits) and the wall clock (ms since the epoch). */
export function childGeneration(
  plan: SurvivorPlan,
  fork: ForkPosition,
  fresh: { readonly id: string; readonly at: number },
): Generation {
  assert(/^[0-9a-f]{32}$/.test(fresh.id), "a generation's id is 32 hexadecimal digits");
  assert(plan.survivors.includes(plan.best), "who coordinates survives");
  return {
    n: plan.parent.n + 1,
    id: fresh.id,
    parent: plan.parent.id,
    kind: plan.kind,
    forkIndex: fork.index,
    forkTerm: fork.term,
    forkChain: fork.chain,
    legitCommit: Math.min(fork.commit, fork.index),
    members: plan.survivors,
    coordinator: plan.best,
    ...(plan.abstaining.length > 0 ? { abstaining: plan.abstaining } : {}),
    lost: plan.lost.map(({ id }) => id),
    outlived: plan.outlived,
    missingAtMost: plan.missingAtMost,
    at: fresh.at,
  };
}

/** The path that ends in `child`. The first two generations and the newest are kept, older ones between dropped. */
export function withGeneration(
  path: readonly Generation[],
  child: Generation,
): readonly Generation[] {
  assert(child.parent === path.at(-1)?.id, "a child continues its parent's path");
  const longer = [...path, child];
  const surplus = longer.length - maxGenerations;
  return surplus > 0 ? [...longer.slice(0, 2), ...longer.slice(2 + surplus)] : longer;
}

/**
 * Indices whose hash chain a hello should carry, so that `compareLineage` can tell equal logs from different ones:
 * the forks that either side knows, and where either side's log ends or is committed. Sorted, each once, at most 200.
 */
export function indicesToTell(
  own: Pick<LineageHello, "generations" | "lastIndex" | "commit">,
  peer: Pick<LineageHello, "generations" | "lastIndex" | "commit"> | null,
): readonly Index[] {
  const told = new Set<Index>();
  for (const side of peer === null ? [own] : [own, peer]) {
    for (const { forkIndex } of side.generations) told.add(forkIndex);
    told.add(side.lastIndex).add(side.commit);
  }
  const useful = [...told].filter((index) => index > 0 && index <= own.lastIndex);
  return useful.sort((a, b) => a - b).slice(-maxIndicesToTell);
}

const maxIndicesToTell = 200;

/** Was a snapshot taken in a generation of this path, before it was left? Another is of no use, however new it is. */
export function isOfHistory(
  { generation, index }: { readonly generation: string; readonly index: Index },
  { generations }: Pick<Lineage, "generations">,
): boolean {
  const at = generations.findIndex(({ id }) => id === generation);
  if (at < 0) return false;
  return generations.slice(at + 1).every(({ forkIndex }) => index <= forkIndex);
}
