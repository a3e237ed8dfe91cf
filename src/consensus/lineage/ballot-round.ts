/**
 * The proposer's half of one ballot: everybody in the plan must promise, then accept (register.ts has the other half).
 * The coordinator promises last, so that a refusal leaves it free. Anything less than all ends the round; a later
 * one begins anew with what is reachable then. Pure.
 */
import { type NodeId, type Term } from "../core/types.ts";
import { type CoordinatorEffect } from "./coordinator-types.ts";
import { isBehindLog } from "./generation.ts";
import { type PromiseAnswer } from "./ports.ts";
import { compareBallots, proposable } from "./register.ts";
import { type Ballot, type Generation, type SurvivorPlan } from "./types.ts";

export type RoundStep =
  | { readonly kind: "wait" }
  | { readonly kind: "ask"; readonly effects: readonly CoordinatorEffect[] }
  /** All promised and no log moves any more: `propose` follows, with `finish` when some accepted it already. */
  | { readonly kind: "prepared"; readonly finish: Generation | null; readonly commit: number }
  | { readonly kind: "accepted"; readonly child: Generation; readonly term: Term }
  /** The survivors accepted different children; each group goes on with its own. */
  | { readonly kind: "conflict" }
  | { readonly kind: "failed"; readonly why: string; readonly highest: number };

const wait: RoundStep = { kind: "wait" };

export class BallotRound {
  readonly ballot: Ballot;
  readonly plan: SurvivorPlan;
  readonly deadlineMs: number;
  readonly #promised = new Map<NodeId, PromiseAnswer>();
  readonly #accepted = new Set<NodeId>();
  #child: Generation | null = null;

  constructor(ballot: Ballot, plan: SurvivorPlan, deadlineMs: number) {
    this.ballot = ballot;
    this.plan = plan;
    this.deadlineMs = deadlineMs;
  }

  begin(): readonly CoordinatorEffect[] {
    const others = this.plan.survivors.filter((id) => id !== this.ballot.node);
    return this.#prepare(others.length === 0 ? [this.ballot.node] : others);
  }

  prepared(from: NodeId, answer: PromiseAnswer): RoundStep {
    if (this.#child !== null || !this.plan.survivors.includes(from)) return wait;
    if (!answer.granted) return refusal(from, answer);
    // An answer to an earlier ballot that comes late promises nothing to this one.
    const given = answer.promise?.ballot ?? this.ballot;
    if (compareBallots(given, this.ballot) !== 0) return wait;
    this.#promised.set(from, answer);
    const missing = this.plan.survivors.length - this.#promised.size;
    if (missing === 1 && !this.#promised.has(this.ballot.node)) {
      return { kind: "ask", effects: this.#prepare([this.ballot.node]) };
    }
    return missing > 0 ? wait : this.#compare();
  }

  propose(child: Generation): readonly CoordinatorEffect[] {
    this.#child = child;
    const request = { parent: this.plan.parent.id, ballot: this.ballot, child };
    return this.plan.survivors.map((to) => ({ kind: "accept", to, request }));
  }

  accepted(from: NodeId, answer: PromiseAnswer): RoundStep {
    const child = this.#child;
    if (child === null || !this.plan.survivors.includes(from)) return wait;
    if (!answer.granted) return refusal(from, answer);
    this.#accepted.add(from);
    if (this.#accepted.size < this.plan.survivors.length) return wait;
    const terms = [...this.#promised.values()].map(({ term }) => term);
    return { kind: "accepted", child, term: Math.max(...terms) + 1 };
  }

  #prepare(targets: readonly NodeId[]): readonly CoordinatorEffect[] {
    const { parent, exits } = this.plan;
    const request = { parent: parent.id, ballot: this.ballot, exits };
    return targets.map((to) => ({ kind: "prepare", to, request }));
  }

  /** The survey was older than the promises: somebody's log may have grown past the coordinator's. */
  #compare(): RoundStep {
    const own = this.#promised.get(this.ballot.node);
    for (const [id, { lastTerm, lastIndex }] of this.#promised) {
      const ahead = lastTerm - (own?.lastTerm ?? 0) || lastIndex - (own?.lastIndex ?? 0);
      if (ahead <= 0) continue;
      return { kind: "failed", why: `the log of ${id} grew`, highest: this.ballot.counter };
    }
    const answers = [...this.#promised.values()];
    const may = proposable(answers.map(({ promise }) => promise));
    if (may.kind === "conflict") return may;
    const finish = may.kind === "finish" ? may.child : null;
    if (finish !== null && own !== undefined && isBehindLog(finish, own)) {
      const why = "a survivor accepted a generation that lacks entries of this one";
      return { kind: "failed", why, highest: this.ballot.counter };
    }
    const commit = Math.max(...answers.map((answer) => answer.commit));
    return { kind: "prepared", finish, commit };
  }
}

function refusal(from: NodeId, { promise }: PromiseAnswer): RoundStep {
  const counter = promise?.ballot.counter ?? 0;
  const why = counter > 0 ? `${from} promised ballot ${counter}` : `${from} sees a quorum or left`;
  return { kind: "failed", why, highest: counter };
}
