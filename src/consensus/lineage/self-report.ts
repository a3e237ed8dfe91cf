/** What an agent tells others of itself: the hello to any of them, the survey among those without a quorum. */
import { type Index, type NodeId } from "../core/types.ts";
import { type LocalFacts } from "./coordinator-types.ts";
import { currentGeneration, hasBegun, indicesToTell, mayVote } from "./generation.ts";
import { type RegisterState } from "./register.ts";
import {
  type Lineage,
  type LineageHello,
  type LineagePromise,
  type Proof,
  type Survey,
} from "./types.ts";

/** The promise, if it is about the current generation; one about an earlier generation was kept by leaving it. */
export function currentPromise(lineage: Lineage): LineagePromise | null {
  const { promise } = lineage;
  return promise?.parent === currentGeneration(lineage).id ? promise : null;
}

/**
 * It never acts in its generation again unless it starts over: it promised so, or its end was attested to somebody who
 * does not answer any more.
 */
export function isFenced({ lineage, held, storageOk }: LocalFacts): boolean {
  return currentPromise(lineage) !== null || (held === true && storageOk);
}

export function registerState({
  lineage,
  commit,
}: Pick<LocalFacts, "lineage" | "commit">): RegisterState {
  const { n, id } = currentGeneration(lineage);
  const { left = [] } = lineage;
  return { generation: { n, id }, promise: currentPromise(lineage), commit, left };
}

/** Whom it talks to without a quorum: everybody that its configuration names or that is admitted. */
export function participants(
  self: NodeId,
  { configuration, admitted }: Pick<LocalFacts, "configuration" | "admitted">,
): readonly NodeId[] {
  return without(self, [...placesOf(configuration), ...configuration.lost, ...admitted]);
}

/**
 * Whom it stays in touch with while all is well, so that another history is noticed. In a large cluster these are few:
 * what a neighbour hears of, it acts on, and tells its own neighbours. Members with a place know each other, and greet
 * also those that were given up: these may have gone on by themselves.
 */
export function acquaintances(
  self: NodeId,
  { configuration, neighbours }: Pick<LocalFacts, "configuration" | "neighbours">,
): readonly NodeId[] {
  const places = placesOf(configuration);
  const all = [...places, ...configuration.lost];
  return without(self, all.includes(self) ? [...all, ...neighbours] : neighbours);
}

/** Members with a place that this process never had an answer of: it cannot tell later that it outlived them. */
export function strangers(
  self: NodeId,
  { configuration, heardMs }: Pick<LocalFacts, "configuration" | "heardMs">,
): readonly NodeId[] {
  return without(self, placesOf(configuration)).filter((id) => !heardMs.has(id));
}

export function placesOf({
  sets,
  standbys,
  observers,
}: LocalFacts["configuration"]): readonly NodeId[] {
  return [...sets.flat(), ...standbys, ...observers];
}

function without(self: NodeId, members: readonly NodeId[]): readonly NodeId[] {
  const all = new Set(members);
  all.delete(self);
  return [...all];
}

export function helloOf(
  { self, clusterId }: { readonly self: NodeId; readonly clusterId: string },
  facts: LocalFacts,
  peer: LineageHello | null,
): LineageHello {
  const { lineage, lastTerm, lastIndex, commit, leader } = facts;
  const { generations, promise } = lineage;
  const chains = chainsAt(facts, indicesToTell({ generations, lastIndex, commit }, peer));
  return {
    ...{ clusterId, from: self, generations, promise },
    ...{ lastTerm, lastIndex, commit, leader, chains },
  };
}

export interface SurveyContext {
  readonly twoWay: readonly NodeId[];
  readonly proofs: readonly Proof[];
  /** Where the logs of those ended whose exit is attested, as far as any survivor told. */
  readonly exitsAt: readonly Index[];
}

export function surveyOf(
  self: NodeId,
  facts: LocalFacts,
  { twoWay, proofs, exitsAt }: SurveyContext,
): Survey {
  const { lineage, lastTerm, lastIndex, commit, configuration, heardMs, upMs } = facts;
  // What this agent itself once had and lost is missing as well.
  const leaderLast = Math.max(facts.leaderLast, lineage.voteFrom?.index ?? 0);
  const { n, id } = currentGeneration(lineage);
  const { sets, standbys, observers, lost } = configuration;
  const silentMs: Record<NodeId, number> = {};
  const outlived: NodeId[] = [];
  for (const member of new Set([...sets.flat(), ...standbys, ...observers, ...lost])) {
    if (member === self) continue;
    const heard = heardMs.get(member);
    if (heard !== undefined) outlived.push(member);
    if (!twoWay.includes(member)) silentMs[member] = heard ?? upMs;
  }
  return {
    ...{ from: self, generation: { n, id }, promise: lineage.promise },
    ...{ lastTerm, lastIndex, commit, leaderLast, configuration },
    ...{ twoWay, silentMs, outlived, proofs, chains: chainsAt(facts, [...exitsAt, lastIndex]) },
    hasBegun: hasBegun(currentGeneration(lineage), lastTerm),
    mayVote: mayVote(lineage, { term: lastTerm, index: lastIndex }),
    ...(lineage.left === undefined ? {} : { left: lineage.left }),
    held: facts.held === true,
    ...{ storageOk: facts.storageOk, hasCarrier: facts.hasCarrier, upMs },
  };
}

function chainsAt(
  { chainAt }: LocalFacts,
  indices: readonly Index[],
): readonly (readonly [Index, string])[] {
  return [...new Set(indices)].flatMap((index) => {
    const chain = chainAt(index);
    return chain === null ? [] : [[index, chain] as const];
  });
}
