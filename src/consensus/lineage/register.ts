/**
 * The decision about a parent's child: a register like CASPaxos', one per parent generation, with the quorum "all
 * survivors of the ballot". Three rules make it safe however messages are lost, repeated or late:
 *   - a member promises only in its current generation, and only ballots that are not lower than its promise;
 *   - a coordinator that hears of an accepted child proposes that child and no other;
 *   - a member that accepted a child never accepts another child of the same parent.
 * And none accepts a child that lacks what it knows to be committed: it could never follow into it.
 * So two sets of survivors that have a member in common can only agree on the same child. A promise is never taken
 * back: the member leaves the parent with the next ballot's child, or starts over in a winning generation.
 * Promise and acceptance must be durable before they are answered.
 */
import { assert } from "../../base/assert.ts";
import { type Index } from "../core/types.ts";
import { type Ballot, type Generation, type LineagePromise } from "./types.ts";

/** What a member knows when it is asked: where it is, and what it promised there. */
export interface RegisterState {
  readonly generation: { readonly n: number; readonly id: string };
  readonly promise: LineagePromise | null;
  /** Up to here it knows the generation to be committed. */
  readonly commit: Index;
  /** Generations that it left before: it is no founder of them again. */
  readonly left?: readonly string[];
}

export interface RegisterAnswer {
  readonly granted: boolean;
  /** The promise after the request. */
  readonly promise: LineagePromise | null;
  /** True when `promise` is new: it must be made durable before the answer leaves. */
  readonly write: boolean;
}

export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.counter !== b.counter) return a.counter - b.counter;
  if (a.node === b.node) return 0;
  return a.node < b.node ? -1 : 1;
}

/** A ballot of `node` above all of those seen. */
export function nextBallot(node: string, seen: readonly (LineagePromise | null)[]): Ballot {
  const counters = seen.map((promise) => promise?.ballot.counter ?? 0);
  return { counter: Math.max(0, ...counters) + 1, node };
}

export function onPrepare(
  state: RegisterState,
  request: { readonly parent: string; readonly ballot: Ballot },
): RegisterAnswer {
  const promise = promiseIn(state);
  if (request.parent !== state.generation.id) return refused(promise);
  const order = promise === null ? 1 : compareBallots(request.ballot, promise.ballot);
  if (order < 0) return refused(promise);
  if (order === 0) return { granted: true, promise, write: false };
  const { parent, ballot } = request;
  const promised = { parent, ballot, accepted: promise?.accepted ?? null };
  return { granted: true, promise: promised, write: true };
}

export function onAccept(
  state: RegisterState,
  request: { readonly parent: string; readonly ballot: Ballot; readonly child: Generation },
): RegisterAnswer {
  const promise = promiseIn(state);
  const { parent, ballot, child } = request;
  const continues = child.parent === parent && child.n === state.generation.n + 1;
  if (parent !== state.generation.id || !continues || promise === null) return refused(promise);
  if (compareBallots(ballot, promise.ballot) !== 0) return refused(promise);
  if (child.forkIndex < state.commit) return refused(promise);
  if (state.left?.includes(child.id) === true) return refused(promise);
  const before = promise.accepted;
  if (before !== null && before.child.id !== child.id) return refused(promise);
  if (before !== null && compareBallots(before.ballot, ballot) === 0) {
    return { granted: true, promise, write: false };
  }
  const accepted = { ballot, child: before?.child ?? child };
  return { granted: true, promise: { parent, ballot, accepted }, write: true };
}

/**
 * What a coordinator may propose once all of its survivors promised: the child that some of them accepted already,
 * or a new one. `conflict`: they accepted different ones, so they cannot agree; each group finishes its own child,
 * and the generations are merged like any others.
 */
export function proposable(
  promises: readonly (LineagePromise | null)[],
):
  | { readonly kind: "free" }
  | { readonly kind: "finish"; readonly child: Generation }
  | { readonly kind: "conflict" } {
  const accepted = promises.flatMap((promise) => promise?.accepted ?? []);
  const [first] = accepted;
  if (first === undefined) return { kind: "free" };
  const same = accepted.every(({ child }) => child.id === first.child.id);
  return same ? { kind: "finish", child: first.child } : { kind: "conflict" };
}

/** A promise of an earlier generation binds no more: it was kept by leaving. */
function promiseIn({ generation, promise }: RegisterState): LineagePromise | null {
  return promise?.parent === generation.id ? promise : null;
}

function refused(promise: LineagePromise | null): RegisterAnswer {
  assert(promise === null || promise.ballot.counter > 0, "ballots count from 1");
  return { granted: false, promise, write: false };
}
