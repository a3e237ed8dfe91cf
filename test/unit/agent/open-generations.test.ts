/** Which generations of a path have a story that is not written to its end. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openGenerations } from "../../../src/agent/open-generations.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";

const it = suite("agent: open generations");

const root = bootstrapGeneration("c");
const path = [root];
for (const id of ["b", "c", "d", "e"]) {
  const parent = path.at(-1) as Generation;
  path.push({ ...root, n: parent.n + 1, id, parent: parent.id, kind: "forced-auto" });
}

/** @param records when each was settled, by id. */
function open(records: Readonly<Record<string, number | null>>): readonly string[] {
  const generation = (id: string) => (id in records ? { settledAt: records[id] } : null);
  return openGenerations(path, { generation } as InventoryView).map(({ id }) => id);
}

it("are those that were not settled, and those that nobody wrote down yet, oldest first", () => {
  assert.equal(open({ b: null, c: 1 }), ["b", "d", "e"]);
  assert.equal(open({ b: 1, c: 1, d: 1, e: 1 }), []);
  assert.equal(open({}), ["b", "c", "d", "e"], "and never the first, which nobody forced");
});

it("leaves those alone whose record was dropped, as there were very many later ones", () => {
  assert.equal(open({ d: null, e: 1 }), ["d"]);
});

it.run();
