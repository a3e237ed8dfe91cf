/**
 * What to do when two agents have compared their paths. The one that is behind follows, the one whose history lost
 * gives what it has and starts over; the other side does nothing but go on. Pure.
 */
import { type LogPosition, type NodeId } from "../core/types.ts";
import { type CoordinatorEffect, type LocalFacts } from "./coordinator-types.ts";
import { currentGeneration, mayVote } from "./generation.ts";
import { isFenced } from "./self-report.ts";
import { type LineageHello, type Relation } from "./types.ts";

export interface MeetingContext {
  readonly now: number;
  /** No quorum is in sight for long enough that it is not an election. */
  readonly quorumLost: boolean;
  /** This agent coordinates a ballot now. */
  readonly underBallot: boolean;
}

type Effects = readonly CoordinatorEffect[];
const none: Effects = [];
/** The hello that follows a confirmation is judged by it. */
const confirmedMs = 5000;

export class Meetings {
  readonly #self: NodeId;
  readonly #complained = new Set<string>();
  readonly #confirmed = new Map<NodeId, { readonly generation: string; readonly at: number }>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** `via` just had an answer of its generation's leader. */
  confirmed(via: NodeId, generation: string, now: number): void {
    this.#confirmed.set(via, { generation, at: now });
  }

  /** Nothing is left for a leader known by hearsay: it is asked first, while this side goes on. */
  judge(
    theirs: LineageHello,
    relation: Relation,
    facts: LocalFacts,
    context: MeetingContext,
  ): Effects {
    const effects = this.#judge(theirs, relation, facts, context);
    const { from: to } = theirs;
    const { id: generation } = currentGeneration(theirs);
    const known = this.#confirmed.get(to);
    const isConfirmed = known?.generation === generation && context.now - known.at <= confirmedMs;
    const departs = effects.some(({ kind }) => kind === "depart");
    return departs && !isConfirmed ? [{ kind: "confirm", to, generation }] : effects;
  }

  #judge(
    theirs: LineageHello,
    relation: Relation,
    facts: LocalFacts,
    context: MeetingContext,
  ): Effects {
    switch (relation.relation) {
      case "same":
        return this.#fenced(theirs, facts, context);
      case "behind":
        if (relation.who === "them") return none;
        if (!relation.tail) return this.#follow(theirs, facts, context);
        return theirs.leader === null
          ? none
          : depart(theirs, relation.at, "has an unconfirmed tail");
      case "diverged":
        return relation.winner === "me" || theirs.leader === null
          ? none // a loser waits until the winner has a quorum that can take what it has
          : depart(theirs, relation.forkIndex, `lost by ${relation.rule}`);
      case "foreign":
        return this.#alarm(theirs.from, relation.why);
    }
  }

  /** Promised to leave a generation in which a quorum lives on without this agent: it comes back with an empty log. */
  #fenced(
    theirs: LineageHello,
    facts: LocalFacts,
    { quorumLost, underBallot }: MeetingContext,
  ): Effects {
    const stays = theirs.leader === null || theirs.promise !== null;
    if (!isFenced(facts) || !quorumLost || underBallot || stays) return none;
    // Everything acknowledged in this generation is in its leader's log: nothing has to be exported.
    return depart(theirs, null, "its ballot was overtaken by a quorum");
  }

  /**
   * A generation that has no leader yet is followed by those who accepted it, or who have no other to follow. Who left
   * it and started over has acknowledged there what it lacks now: it enters anew, behind what its leader has committed.
   */
  #follow(theirs: LineageHello, facts: LocalFacts, { quorumLost }: MeetingContext): Effects {
    const { promise, left } = facts.lineage;
    // An agent of an earlier version that started over did not note what it left.
    const isUnsure = left === undefined && !mayVote(facts.lineage, lastOf(facts));
    if (isUnsure || theirs.generations.some(({ id }) => left?.includes(id) === true)) {
      return theirs.leader === null ? none : depart(theirs, null, "is where this agent was before");
    }
    const accepted = promise?.accepted?.child.id ?? null;
    const invited = theirs.generations.some(
      ({ id, members }) => id === accepted || members.includes(this.#self),
    );
    const lives = theirs.leader !== null || (facts.leader === null && quorumLost);
    if (!invited && !lives) return none;
    const { n, id } = currentGeneration(theirs);
    const data = { generation: id, n, from: theirs.from };
    return [
      { kind: "log", level: "info", message: "follows into a later generation", data },
      { kind: "adopt", generations: theirs.generations },
    ];
  }

  #alarm(from: NodeId, why: string): Effects {
    if (this.#complained.has(from)) return none;
    this.#complained.add(from);
    const message = "another agent's history cannot be one of this cluster's: it is left alone";
    return [{ kind: "log", level: "error", message, data: { peer: from, why } }];
  }
}

function lastOf({ lastTerm: term, lastIndex: index }: LocalFacts): LogPosition {
  return { term, index };
}

function depart(theirs: LineageHello, exportAfter: number | null, why: string): Effects {
  const { generations, from: via } = theirs;
  const { n, id } = currentGeneration(theirs);
  const data = { generation: id, n, via, why };
  return [
    { kind: "log", level: "warn", message: "another history won; joins it", data },
    { kind: "depart", departure: { via, generations, exportAfter } },
  ];
}
