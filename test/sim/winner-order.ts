/**
 * Which of two histories wins is one order over all of them (consensus.md, G6): both sides say the same, and no three
 * win in a round, each over the next. Judged on what agents told of themselves, whenever one tells more.
 */
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type compareLineage } from "../../src/consensus/lineage/compare.ts";
import { currentGeneration } from "../../src/consensus/lineage/generation.ts";
import { type LineageHello, type Relation } from "../../src/consensus/lineage/types.ts";
import { require } from "./violation.ts";

export class WinnerOrder {
  readonly #compare: typeof compareLineage;
  /** What each agent told last. */
  readonly #told = new Map<NodeId, LineageHello>();

  constructor(compare: typeof compareLineage) {
    this.#compare = compare;
  }

  onTold(hello: LineageHello): void {
    this.#told.set(hello.from, hello);
    const others = [...this.#told.values()].filter((other) => isElsewhere(other, hello));
    const wins = new Map(others.map((other) => [other, this.#wins(hello, other)] as const));
    for (const [i, one] of others.entries()) {
      for (const other of others.slice(i + 1)) {
        if (isElsewhere(one, other))
          this.#noRound(hello, [one, wins.get(one)], [other, wins.get(other)]);
      }
    }
  }

  /** Null: one of them is behind the other, and does not compete with it. */
  #wins(a: LineageHello, b: LineageHello): boolean | null {
    const here = this.#compare(a, b);
    const there = this.#compare(b, a);
    require(here.relation !== "foreign", () =>
      `G6: ${name(a)} and ${name(b)} are of one cluster, and take each other for foreign`);
    require(JSON.stringify(mirrored(there)) === JSON.stringify(here), () =>
      `G6: ${name(a)} says of ${name(b)} ${JSON.stringify(here)}, which says ${JSON.stringify(there)}`);
    return here.relation === "diverged" ? here.winner === "me" : null;
  }

  #noRound(
    one: LineageHello,
    [second, overSecond]: readonly [LineageHello, boolean | null | undefined],
    [third, overThird]: readonly [LineageHello, boolean | null | undefined],
  ): void {
    const between = this.#wins(second, third);
    if (typeof overSecond !== "boolean" || typeof overThird !== "boolean" || between === null)
      return;
    const isRound = overSecond !== overThird && overSecond === between;
    require(!isRound, () => `G6: ${name(one)}, ${name(second)} and ${name(third)} win in a round`);
  }
}

function isElsewhere(a: LineageHello, b: LineageHello): boolean {
  return currentGeneration(a).id !== currentGeneration(b).id;
}

/** As the other side would say it. */
function mirrored(relation: Relation): Relation {
  switch (relation.relation) {
    case "behind":
      return { ...relation, who: relation.who === "me" ? "them" : "me" };
    case "diverged":
      return { ...relation, winner: relation.winner === "me" ? "them" : "me" };
    default:
      return relation;
  }
}

function name({ from, generations }: LineageHello): string {
  return `${from} in ${generations.map(({ id }) => id.slice(0, 4)).join(">")}`;
}
