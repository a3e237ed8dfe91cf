/** The proposer's half of a ballot: what it makes of the promises. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BallotRound } from "../../../../src/consensus/lineage/ballot-round.ts";
import { bootstrapGeneration } from "../../../../src/consensus/lineage/generation.ts";
import { type PromiseAnswer } from "../../../../src/consensus/lineage/ports.ts";
import { type Generation, type SurvivorPlan } from "../../../../src/consensus/lineage/types.ts";

const it = suite("lineage: ballot round");
const root = bootstrapGeneration("c");
const ballot = { counter: 2, node: "b" };

/** "b" asks "c", whose log ends at 40 too, with what `c` accepted before. */
function asked(forkIndex: number) {
  const plan = { survivors: ["b", "c"], parent: root, exits: [] as readonly string[] };
  const round = new BallotRound(ballot, plan as unknown as SurvivorPlan, 0);
  round.begin();
  const child: Generation = { ...root, n: 2, id: "x", parent: root.id, forkIndex, forkTerm: 3 };
  const accepted = { ballot: { counter: 1, node: "c" }, child };
  const answer = (lastIndex: number, promise: PromiseAnswer["promise"]): PromiseAnswer => ({
    ...{ granted: true, promise, term: 3, lastTerm: 3, lastIndex, commit: 40 },
  });
  round.prepared("c", answer(40, { parent: root.id, ballot, accepted }));
  return round.prepared("b", answer(47, { parent: root.id, ballot, accepted: null }));
}

it("finishes what a survivor accepted when nothing is lost by it", () => {
  const step = asked(47);
  assert.is(step.kind === "prepared" ? step.finish?.id : step.kind, "x");
});

it("does not finish what lacks entries that it has", () => {
  const step = asked(40);
  assert.is(step.kind, "failed");
  assert.match(step.kind === "failed" ? step.why : "", /lacks entries/);
});

it.run();
