/** Answers that are remembered until the inventory moves on. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AnswerCache } from "../../../src/api/answer-cache.ts";
import { type LineagePort } from "../../../src/api/context.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { writtenIn } from "../../../src/consensus/lineage/written-in.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";

const it = suite("api answer cache");
const root = bootstrapGeneration("cluster-1");
const fork = { forkIndex: 7, legitCommit: 7, kind: "forced-auto" } as const;
const forced = { ...root, ...fork, n: 2, id: "ab".repeat(16), parent: root.id };

it("forgets what was said of an earlier entry, or of the same index in a history that was left", () => {
  const inventory = { appliedIndex: 9 };
  let path = [root, forced];
  const port: Pick<LineagePort, "generations" | "writtenIn"> = {
    generations: () => path,
    writtenIn: (index) => writtenIn(path, index),
  };
  const cache = new AnswerCache({
    view: inventory as InventoryView,
    lineage: () => port as LineagePort,
  });
  const { place } = cache;
  cache.put("/v1/nodes", "there", place);
  assert.is(cache.get("/v1/nodes"), "there");
  path = [root];
  assert.is(cache.get("/v1/nodes"), null, "entry 9 is another one here");
  cache.put("/v1/nodes", "made there", place);
  assert.is(cache.get("/v1/nodes"), null, "nor is it kept when it comes late");
  cache.put("/v1/nodes", "here", cache.place);
  assert.is(cache.get("/v1/nodes"), "here");
  inventory.appliedIndex = 10;
  assert.is(cache.get("/v1/nodes"), null);
});

it.run();
