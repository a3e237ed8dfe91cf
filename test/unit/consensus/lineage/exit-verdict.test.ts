/** What an agent is told that is back after its exit was attested. Both sides of every answer must be live. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exitVerdict, type ExitVerdict } from "../../../../src/consensus/lineage/exit-verdict.ts";
import { bootstrapGeneration } from "../../../../src/consensus/lineage/generation.ts";
import { PeerViews } from "../../../../src/consensus/lineage/peer-views.ts";
import {
  type ExitStatement,
  type Generation,
  type LineagePromise,
} from "../../../../src/consensus/lineage/types.ts";

const it = suite("lineage: exit verdict");
const root = bootstrapGeneration("c");
const second: Generation = {
  ...{ ...root, n: 2, id: "second", parent: root.id, kind: "forced-proof" },
  ...{ coordinator: "b", members: ["b"], lost: ["a"] },
};
const ballot = { counter: 3, node: "b" };

function ask(
  generation: string,
  path: readonly Generation[],
  promise: LineagePromise | null = null,
  deciding = false,
): ExitVerdict {
  const lineage = { generations: path, promise, voteFrom: null };
  return exitVerdict("a", generation, lineage, { deciding, ballot });
}

it("was used when this side went on without it from where it is", () => {
  assert.equal(ask(root.id, [root, second]), { answer: "used" });
});

it("was not used when this side went on without it once, and it came back since", () => {
  assert.equal(ask(second.id, [root, second]), { answer: "void", promise: null });
});

it("is not answered in the middle of a decision", () => {
  assert.equal(ask(root.id, [root], null, true), { answer: "busy" });
  const accepted = { ballot, child: second };
  assert.equal(ask(root.id, [root], { parent: root.id, ballot, accepted }), { answer: "busy" });
});

it("is renounced after a ballot that came to nothing, which nobody can finish any more", () => {
  const promise = { parent: root.id, ballot: { counter: 7, node: "c" }, accepted: null };
  const renewed = { ...promise, ballot: { counter: 8, node: "b" } };
  assert.equal(ask(root.id, [root], promise), { answer: "void", promise: renewed });
  const mine = { ...promise, ballot: { counter: 1, node: "b" } };
  assert.equal(ask(root.id, [root], mine), {
    answer: "void",
    promise: { ...mine, ballot },
  });
});

it("is not proven by a statement that arrives after it was renounced", () => {
  const views = new PeerViews("b");
  const statement = (nonce: string): ExitStatement => ({
    ...{ node: "a", nonce, generation: { n: 1, id: root.id }, voters: ["a", "b"], term: 3 },
    ...{ lastTerm: 3, lastIndex: 100, chain: "x" },
  });
  views.renounce("a", "1");
  views.prove({ kind: "exit", node: "a", statement: statement("1") });
  assert.equal(views.proofs(root.id), []);
  assert.ok(views.hasRenounced(["0", "1"]));
  views.prove({ kind: "exit", node: "a", statement: statement("2") });
  assert.is(views.proofs(root.id).length, 1);
  assert.not(views.hasRenounced(["2"]));
});

it.run();
