/**
 * What an agent is told that comes back after its exit was attested: did this side go on without it? "void" binds: no
 * ballot may be built on the exit any more. A promise given before may be to such a ballot, of whomever, and still
 * under way; so it is given anew, to a ballot of this agent's own, which kills the other. Pure.
 */
import { type NodeId } from "../core/types.ts";
import { currentPromise } from "./self-report.ts";
import { type Ballot, type Lineage, type LineagePromise } from "./types.ts";

/** `busy`: it must ask again. `promise`: to be made durable before the answer leaves. */
export type ExitVerdict =
  | { readonly answer: "used" | "busy" }
  | { readonly answer: "void"; readonly promise: LineagePromise | null };

/**
 * @param generation where `by` is back. It may have been lost and have come back in an earlier one, which says nothing.
 * @param own whether this agent is in the middle of a decision, and a ballot of its own above all it has seen.
 */
export function exitVerdict(
  by: NodeId,
  generation: string,
  lineage: Lineage,
  own: { readonly deciding: boolean; readonly ballot: Ballot },
): ExitVerdict {
  const at = lineage.generations.findIndex(({ id }) => id === generation);
  const since = at < 0 ? [] : lineage.generations.slice(at + 1);
  if (since.some(({ lost }) => lost.includes(by))) return { answer: "used" };
  if (own.deciding) return { answer: "busy" };
  const given = currentPromise(lineage);
  const accepted = given?.accepted ?? null;
  // That child is going to be finished: it may have been, by others, already.
  if (accepted?.child.lost.includes(by) === true) return { answer: "busy" };
  if (given === null || accepted !== null) return { answer: "void", promise: null };
  const counter = Math.max(own.ballot.counter, given.ballot.counter + 1);
  return { answer: "void", promise: { ...given, ballot: { ...own.ballot, counter } } };
}
