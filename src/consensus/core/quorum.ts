/**
 * The mathematics of majorities over one voter set or two (joint consensus: both must agree).
 * Pure functions over values, so that they can be compared with a brute-force oracle. An empty set agrees with
 * everything, which makes "joint with nothing" the same as "simple".
 */
import { assert } from "../../base/assert.ts";
import { type Index, type NodeId } from "./types.ts";

export type VoteOutcome = "won" | "lost" | "pending";
export type VoterSets = readonly (readonly NodeId[])[];

/** What an empty set commits: everything. */
export const unbounded = Number.MAX_SAFE_INTEGER;

export function majority(voters: number): number {
  assert(Number.isInteger(voters) && voters >= 0, "a voter count is a natural number");
  return Math.floor(voters / 2) + 1;
}

/** The highest value that a majority of every set has reached. `reached` answers 0 for the unknown. */
export function quorumValue(sets: VoterSets, reached: (id: NodeId) => number): number {
  let lowest = unbounded;
  for (const set of sets) lowest = Math.min(lowest, majorityValue(set, reached));
  assert(lowest >= 0, "a quorum value is never negative");
  return lowest;
}

function majorityValue(set: readonly NodeId[], reached: (id: NodeId) => number): Index {
  if (set.length === 0) return unbounded;
  const needed = majority(set.length);
  let highest = -1;
  // Asked for every acknowledgement: sets are small, and comparing each with each costs less than sorting a copy.
  for (const id of set) {
    const value = reached(id);
    if (value > highest && countOf(set, (other) => reached(other) >= value) >= needed) {
      highest = value;
    }
  }
  assert(highest >= 0, "everybody has reached what the slowest has");
  return highest;
}

function countOf(set: readonly NodeId[], holds: (id: NodeId) => boolean): number {
  let count = 0;
  for (const id of set) if (holds(id)) count += 1;
  return count;
}

/** `vote` answers true (granted), false (refused) or undefined (silent). */
export function voteOutcome(
  sets: VoterSets,
  vote: (id: NodeId) => boolean | undefined,
): VoteOutcome {
  let outcome: VoteOutcome = "won";
  for (const set of sets) {
    const result = majorityOutcome(set, vote);
    if (result === "lost") return "lost";
    if (result === "pending") outcome = "pending";
  }
  return outcome;
}

function majorityOutcome(
  set: readonly NodeId[],
  vote: (id: NodeId) => boolean | undefined,
): VoteOutcome {
  if (set.length === 0) return "won";
  let granted = 0;
  let silent = 0;
  for (const id of set) {
    const answer = vote(id);
    if (answer === true) granted += 1;
    else if (answer === undefined) silent += 1;
  }
  assert(granted + silent <= set.length, "each voter is counted once");
  const needed = majority(set.length);
  assert(2 * needed > set.length, "two majorities always meet");
  if (granted >= needed) return "won";
  return granted + silent >= needed ? "pending" : "lost";
}

export function hasQuorum(sets: VoterSets, present: (id: NodeId) => boolean): boolean {
  return voteOutcome(sets, present) === "won";
}
