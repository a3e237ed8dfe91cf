/** What a lying peer says about lineage: refused where it would make the own log unreadable. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  acceptShape,
  ballotShape,
  checked,
  demotionShape,
} from "../../../src/agent/lineage-wire.ts";
import { isAgentError } from "../../../src/base/errors.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";

const it = suite("agent: lineage on the wire");
const root = bootstrapGeneration("c");
const ballot = { counter: 1, node: "a" };
const child: Generation = {
  ...{ ...root, n: 2, id: "ab".repeat(16), parent: root.id, kind: "forced-auto" },
  ...{ forkIndex: 9, forkTerm: 2, forkChain: "cd".repeat(16), legitCommit: 8, coordinator: "a" },
};

it("takes what is honest", () => {
  checked(ballotShape, { parent: root.id, ballot, exits: ["1"] }, "prepare");
  checked(acceptShape, { parent: root.id, ballot, child }, "accept");
  const commit = { term: 1, index: 1 };
  checked(demotionShape, { generations: [root, child], commit }, "demotion");
});

it("refuses what could not be read back from disk, or counted on from", () => {
  const commit = { term: 1, index: 1 };
  const accept = { parent: root.id, ballot, child };
  const lies = [
    [ballotShape, { parent: root.id, ballot: { ...ballot, counter: 0 }, exits: [] }],
    [ballotShape, { parent: root.id, ballot: { ...ballot, counter: 2 ** 53 - 1 }, exits: [] }],
    [acceptShape, { ...accept, child: { ...child, legitCommit: 10 } }],
    [acceptShape, { ...accept, child: { ...child, id: "x" } }],
    [acceptShape, { ...accept, child: { ...child, forkChain: "zz" } }],
    [acceptShape, { ...accept, parent: "ef".repeat(16) }],
    [demotionShape, { generations: [], commit }],
    [demotionShape, { generations: [child], commit }],
    [demotionShape, { generations: [root, { ...child, n: 1 }], commit }],
  ] as const;
  for (const [shape, lie] of lies) {
    try {
      checked<unknown>(shape, lie, "request");
      assert.unreachable(JSON.stringify(lie));
    } catch (error) {
      assert.ok(isAgentError(error, "INVALID"), JSON.stringify(lie));
    }
  }
});

it.run();
