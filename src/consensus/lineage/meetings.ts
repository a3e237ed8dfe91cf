/**
 * What to do when two agents have compared their paths. The one that is behind follows, the one whose history lost
 * gives what it has and starts over; the other side does nothing but go on. Pure.
 */
import { type NodeId } from "../core/types.ts";
import { type CoordinatorEffect, type LocalFacts } from "./coordinator-types.ts";
import { currentGeneration, mayVote } from "./generation.ts";
import { isFenced } from "./self-report.ts";
import { type LineageHello, type Relation } from "./types.ts";

export interface MeetingContext {
  /** No quorum is in sight for long enough that it is not an election. */
  readonly quorumLost: boolean;
  /** This agent coordinates a ballot now. */
  readonly underBallot: boolean;
}

type Effects = readonly CoordinatorEffect[];
const none: Effects = [];

export class Meetings {
  readonly #self: NodeId;
  readonly #complained = new Set<string>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  judge(
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
   * A generation that has no leader yet is followed by those who accepted it, or who have no other to follow. Who has
   * started over and not caught up may have been in that one before, and have acknowledged there what it lacks now; so
   * it enters anew, behind what that one's leader has committed.
   */
  #follow(theirs: LineageHello, facts: LocalFacts, { quorumLost }: MeetingContext): Effects {
    const { lineage, lastTerm: term, lastIndex: index } = facts;
    const accepted = lineage.promise?.accepted?.child.id ?? null;
    const isAccepted = theirs.generations.some(({ id }) => id === accepted);
    if (!isAccepted && !mayVote(lineage, { term, index })) {
      return theirs.leader === null
        ? none
        : depart(theirs, null, "has not caught up since it started over");
    }
    const invited =
      isAccepted || theirs.generations.some(({ members }) => members.includes(this.#self));
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

function depart(theirs: LineageHello, exportAfter: number | null, why: string): Effects {
  const { generations, from: via } = theirs;
  const { n, id } = currentGeneration(theirs);
  const data = { generation: id, n, via, why };
  return [
    { kind: "log", level: "warn", message: "another history won; joins it", data },
    { kind: "depart", departure: { via, generations, exportAfter } },
  ];
}
