/**
 * Who may go on when no quorum is left, and when (consensus.md §2.5, S2 and S3). All who have the same surveys make
 * the same plan; the one with the best log carries it out. Nothing here ever acts while the group could elect a leader
 * in the ordinary way.
 */
import { assert, must } from "../../base/assert.ts";
import { sha256Hex } from "../../base/digest.ts";
import { roleOf, voterIds } from "../core/configuration.ts";
import { hasQuorum } from "../core/quorum.ts";
import { type Configuration, type NodeId } from "../core/types.ts";
import { largestCliques } from "./clique.ts";
import { isBehindLog, refOf } from "./generation.ts";
import { assess, type Missing } from "./missing.ts";
import {
  type Generation,
  type SurvivorPlan,
  type SurvivorPolicy,
  type SurvivorTimers,
  type Survey,
} from "./types.ts";

export interface PlanOptions {
  /** An operator asks: policy, timers and hold do not count, everything else does. */
  readonly operator: boolean;
  /** `survivor.hold`, or this agent is said to be evicted: nothing happens by itself. */
  readonly hold: boolean;
}

/** Whether to act, in words, and how long until time alone would change that. */
interface Decision {
  readonly act: boolean;
  readonly why: string;
  readonly waitMs: number | null;
  readonly wantsProof: boolean;
}

/** @param surveys the latest of every member that answered, the own one included. */
export function planSurvivors(
  surveys: readonly Survey[],
  self: NodeId,
  settings: { readonly policy: SurvivorPolicy; readonly timers: SurvivorTimers },
  options: PlanOptions,
): SurvivorPlan {
  const own = must(
    surveys.find(({ from }) => from === self),
    "the own survey is among them",
  );
  const group = chooseGroup(
    surveys.filter((one) => one.generation.id === own.generation.id),
    own,
  );
  const best = bestOf(group);
  const survivors = group.map(({ from }) => from).sort();
  const { configuration } = best;
  const finish = finishOf(group);
  const givenUp = surveys
    .filter((one) => isGivenUp(one, surveys, { finish, best, own, group }))
    .map(({ from }) => from);
  // It says itself, from another one, that it left this generation.
  const departed = surveys
    .filter((one) => one.generation.id !== own.generation.id && hasLeft(one, own.generation.id))
    .map(({ from }) => from);
  const missing = membersOf(configuration)
    .filter((id) => !survivors.includes(id))
    .map((id) => assess(id, group, best, departed.includes(id)));
  const decision = decide({ group, best, missing, givenUp, ...settings, ...options });
  const lost = missing.map(({ id, silentMs, proof }) => ({ id, silentMs, proof }));
  // Observers are named nowhere, so they do not count on either side: only one side can be the majority.
  const named = [...membersOf(configuration), ...configuration.lost];
  return {
    ...decision,
    kind: kindOf({ group, best, missing }, options.operator),
    parent: refOf(own.generation),
    survivors,
    abstaining: survivors.filter((id) => id !== best.from && !mayVote(group, id)),
    best: best.from,
    finish,
    lost,
    exits: missing.flatMap(({ exits }) => exits),
    outlived: missing.every(({ votes, outlived, proof }) => !votes || outlived || proof !== null),
    missingAtMost: missingAtMost({ group, best, missing }),
    majorityOfAll: 2 * named.filter((id) => survivors.includes(id)).length > named.length,
    hash: hashOf(
      best,
      survivors,
      lost.map(({ id }) => id),
    ),
  };
}

/** Those whose log and place count: members, with sound storage, that can all talk to each other. */
function chooseGroup(surveys: readonly Survey[], own: Survey): readonly Survey[] {
  const sound = surveys.filter(({ storageOk }) => storageOk).sort(byLog);
  const members = sound.filter((one) => isMember(one) && !isBarred(one, sound));
  const first = members[0];
  if (first === undefined) return [own];
  const survey = new Map(members.map((one) => [one.from, one]));
  const reach = new Map(members.map(({ from, twoWay }) => [from, new Set(twoWay)]));
  // Of a thousand members half a million pairs are looked at.
  const allAgree = members.every((one) => acceptedOf(one) === null);
  const linked = (a: NodeId, b: NodeId): boolean =>
    reach.get(a)?.has(b) === true &&
    reach.get(b)?.has(a) === true &&
    (allAgree || agree(survey, a, b));
  const ids = members.map(({ from }) => from);
  const longest = members.filter((one) => compareLogs(one, first) === 0).map(({ from }) => from);
  const cliques = largestCliques(longest, ids, linked);
  // Of two as large the one with more voters: those who are left out are waited for while they answer.
  const voters = voterIds(first.configuration);
  const say = (clique: readonly NodeId[]): number =>
    clique.filter((id) => voters.includes(id)).length;
  const [largest] = cliques.toSorted(
    (a, b) => b.length - a.length || say(b) - say(a) || (a.join() < b.join() ? -1 : 1),
  );
  const chosen = must(largest, "the best log is in some group");
  const isChosen = new Set(chosen);
  return members.filter(({ from }) => isChosen.has(from));
}

/**
 * Only members are surveyed. An observer has no place in the configuration and is as good a survivor as any, once it
 * has something of the log; who just joined and has nothing is none.
 */
function isMember({ from, lastIndex, configuration }: Survey): boolean {
  return roleOf(configuration, from) !== null || (lastIndex > 0 && configuration.sets.length > 0);
}

/** Two that accepted different children of this generation never agree on one; nor does who has more than the child. */
function agree(survey: ReadonlyMap<NodeId, Survey>, a: NodeId, b: NodeId): boolean {
  const left = survey.get(a);
  const right = survey.get(b);
  const same = acceptedOf(left)?.id === acceptedOf(right)?.id;
  const isOpen = acceptedOf(left) === null || acceptedOf(right) === null;
  const isOut = bars(acceptedOf(left), right) || bars(acceptedOf(right), left);
  return (
    (same || isOpen) && !isOut && !lacks(acceptedOf(left), right) && !lacks(acceptedOf(right), left)
  );
}

/**
 * It may not vote yet, and a child was accepted that it left before and whose fork it does not exceed: others go on
 * with that child, though its own log may be the longest.
 */
function isBarred(one: Survey, others: readonly Survey[]): boolean {
  const isHeldBack = (child: Generation | null): boolean => bars(child, one) && !lacks(child, one);
  return !one.mayVote && others.map(acceptedOf).some(isHeldBack);
}

/** It was there before and started over: it enters only behind what that one's leader has committed. */
function bars(child: Generation | null, survey: Survey | undefined): boolean {
  return child !== null && survey !== undefined && hasLeft(survey, child.id);
}

function hasLeft({ left = [] }: Survey, generation: string): boolean {
  return left.includes(generation);
}

/** Its first entry would replace what is in this log, and may have been acknowledged. */
function lacks(child: Generation | null, log: Survey | undefined): boolean {
  return child !== null && log !== undefined && isBehindLog(child, log);
}

function acceptedOf(survey: Survey | undefined): Generation | null {
  const promise = survey?.promise ?? null;
  return promise?.parent === survey?.generation.id ? (promise?.accepted?.child ?? null) : null;
}

function finishOf(group: readonly Survey[]): Generation | null {
  return group.map(acceptedOf).find((child) => child !== null) ?? null;
}

/**
 * Members that answer and need not be awaited: who does not vote and has nothing of the log yet; who accepted a child
 * that lacks what the group has, or that the group has left before; who waits itself until such a child, which has
 * given it up, is there or renounced; and once the group has a child to finish, who has left that one before, accepted
 * another, or waits itself for it. All follow into the child, or meet it like any other history.
 */
function isGivenUp(
  one: Survey,
  surveys: readonly Survey[],
  {
    finish,
    best,
    own,
    group,
  }: {
    readonly finish: Generation | null;
    readonly best: Survey;
    readonly own: Survey;
    readonly group: readonly Survey[];
  },
): boolean {
  const isOver = (child: Generation | null): boolean =>
    child !== null && (lacks(child, best) || group.some((member) => bars(child, member)));
  if (one.generation.id !== own.generation.id) return false;
  if (!isMember(one) && !voterIds(best.configuration).includes(one.from)) return true;
  const accepted = acceptedOf(one);
  if (isOver(accepted)) return true;
  const isAwaited = (other: Survey): boolean => {
    const child = other.generation.id === own.generation.id ? acceptedOf(other) : null;
    return child?.lost.includes(one.from) === true && isOver(child);
  };
  if (one.held && surveys.some(isAwaited)) return true;
  if (finish === null) return false;
  if (hasLeft(one, finish.id)) return true;
  if (accepted !== null) return accepted.id !== finish.id;
  return one.held && finish.lost.includes(one.from);
}

function mayVote(group: readonly Survey[], id: NodeId): boolean {
  return group.some((one) => one.from === id && one.mayVote);
}

function compareLogs(a: Survey, b: Survey): number {
  return a.lastTerm - b.lastTerm || a.lastIndex - b.lastIndex;
}

/** Best log first (§2.6), then by name. */
function byLog(a: Survey, b: Survey): number {
  return compareLogs(b, a) || (a.from < b.from ? -1 : 1);
}

function bestOf(group: readonly Survey[]): Survey {
  return must([...group].sort(byLog)[0], "a group is not empty");
}

/** All that hold the log; the lost were given up before. */
function membersOf({ sets, standbys, standbysNext, observers }: Configuration): readonly NodeId[] {
  return [...new Set([...sets.flat(), ...standbys, ...standbysNext, ...observers])].sort();
}

/** Who is here, and who is not. */
interface Roll {
  readonly group: readonly Survey[];
  readonly best: Survey;
  readonly missing: readonly Missing[];
}

interface Situation extends PlanOptions, Roll {
  /** Members that answer and are not waited for. */
  readonly givenUp: readonly NodeId[];
  readonly policy: SurvivorPolicy;
  readonly timers: SurvivorTimers;
}

function decide(situation: Situation): Decision {
  const { group, best, missing, givenUp, policy, operator, hold } = situation;
  const waits = (why: string): Decision => ({ act: false, why, waitMs: null, wantsProof: false });
  const unsound = group.filter(({ storageOk }) => !storageOk);
  if (unsound.some(({ held }) => !held)) return waits("the log of this agent is damaged");
  if (!operator && unsound.length > 0) {
    return waits("this agent waits for those who were told that it was gone");
  }
  // A newcomer that heard of the leader's log, and has no entry of it, lost nothing.
  if (!isMember(best)) return waits("this agent has nothing of the cluster's log yet");
  const isKnownLost = isForgotten(situation) && missingAtMost(situation) !== 0;
  if (!operator && (isKnownLost || group.every(({ mayVote }) => !mayVote))) {
    return waits(
      "entries that were acknowledged here are lost; only an operator may go on without them",
    );
  }
  // Who promised to leave this generation can elect nobody in it any more.
  const free = (id: NodeId): boolean =>
    mayVote(group, id) &&
    group.some((one) => one.from === id && !one.held && one.promise?.parent !== one.generation.id);
  // Nor can anybody be elected while no voter has the first entry of this generation.
  const voters = voterIds(best.configuration);
  const begun = group.some((one) => one.hasBegun && voters.includes(one.from) && free(one.from));
  if (begun && hasQuorum(best.configuration.sets, free)) {
    return waits("the members that answer are a quorum: they will elect a leader");
  }
  const acts = (why: string): Decision => ({ act: true, why, waitMs: null, wantsProof: false });
  if (operator) return acts("the operator decides");
  if (hold) return waits("survivor.hold is set, or members say that this node was forgotten");
  if (policy === "off") return waits("survivor.auto is off: an operator must decide");
  const unproven = missing.filter(({ id, proof }) => proof === null && !givenUp.includes(id));
  if (!unproven.some(({ votes }) => votes)) return acts("every missing voter is proven gone");
  if (policy === "proof") {
    const names = unproven.filter(({ votes }) => votes).map(({ id }) => id);
    const why = `no proof that ${names.join(", ")} is gone; survivor.auto is proof`;
    return { ...waits(why), wantsProof: true };
  }
  return awaitSilence(unproven, situation);
}

function awaitSilence(unproven: readonly Missing[], { group, timers }: Situation): Decision {
  // Nobody with a network: most likely it is this group that is cut off, and the others go on.
  const isolated = !group.some(({ hasCarrier }) => hasCarrier);
  const silenceMs = timers.silenceMs * (isolated ? 2 : 1);
  const left = (one: Missing): number => {
    const cold = one.votes && !one.outlived;
    return (cold ? Math.max(timers.coldMs, silenceMs) : silenceMs) - one.silentMs;
  };
  const slowest = unproven.reduce((a, b) => (left(b) > left(a) ? b : a));
  const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;
  const waitMs = left(slowest);
  if (waitMs <= 0) {
    const names = unproven.map(({ id, silentMs }) => `${id} for ${seconds(silentMs)}`);
    return { act: true, why: `silent: ${names.join(", ")}`, waitMs: null, wantsProof: false };
  }
  const why = `${slowest.id} is silent for ${seconds(slowest.silentMs)}; acts in ${seconds(waitMs)}`;
  return { act: false, why, waitMs, wantsProof: true };
}

/**
 * Only voters can have acknowledged something or act on: of a standby no proof is needed. Hosts that are off come back:
 * as many of them as elect a leader among themselves prove nothing that lasts, and a quorum of them, or of those whose
 * disks forgot, may have been all that held an entry.
 */
function kindOf({ group, best, missing }: Roll, operator: boolean): SurvivorPlan["kind"] {
  const gone = ({ votes, proof }: Missing): boolean =>
    !votes || (proof !== null && proof !== "departed");
  const fenced = missing.filter(({ proof }) => proof === "fence").map(({ id }) => id);
  const isUncertain = (id: NodeId): boolean => fenced.includes(id) || hasForgotten(group, id);
  const isCertain = !hasQuorum(best.configuration.sets, isUncertain);
  if (missing.every(gone) && isCertain) return "forced-proof";
  return operator ? "forced-operator" : "forced-auto";
}

function hasForgotten(group: readonly Survey[], id: NodeId): boolean {
  return group.some(({ from, mayVote }) => from === id && !mayVote);
}

/** Lost disks alone were enough to acknowledge something. */
function isForgotten({ group, best }: Roll): boolean {
  return hasQuorum(best.configuration.sets, (id) => hasForgotten(group, id));
}

function missingAtMost(roll: Roll): number | null {
  const { group, best, missing } = roll;
  const voters = missing.filter(({ votes }) => votes);
  const isWhole = voters.every(({ proof }) => proof === "exit" || proof === "leave");
  if (isWhole && !isForgotten(roll)) return 0;
  const told = Math.max(...group.map(({ leaderLast }) => leaderLast));
  return told === 0 ? null : Math.max(0, told - best.lastIndex);
}

function hashOf(best: Survey, survivors: readonly NodeId[], lost: readonly NodeId[]): string {
  assert(survivors.includes(best.from), "who coordinates survives");
  const { generation, from, lastTerm, lastIndex } = best;
  const facts = [generation.id, survivors, from, lastTerm, lastIndex, [...lost].sort()];
  return sha256Hex(JSON.stringify(facts));
}
