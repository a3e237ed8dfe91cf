/** An index and the generation that wrote there name one entry: over every shape of histories, and row by row. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha256Hex } from "../../../../src/base/digest.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import {
  bootstrapGeneration,
  maxGenerations,
  withGeneration,
} from "../../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../../src/consensus/lineage/types.ts";
import { sharedWith, writtenIn } from "../../../../src/consensus/lineage/written-in.ts";
import { LineageWorld, type WorldNode } from "../../../support/lineage-world.ts";

const it = suite("lineage: written in");
const root = bootstrapGeneration("c1");

function child(parent: Generation, fork: number, legitCommit: number): Generation {
  const n = parent.n + 1;
  const id = sha256Hex(`${parent.id} ${n} ${fork} ${legitCommit}`).slice(0, 32);
  return { ...root, n, id, parent: parent.id, kind: "forced-auto", forkIndex: fork, legitCommit };
}

it("never gives one name to two committed entries, in whatever histories", () => {
  let told = 0;
  let others = 0;
  for (let seed = 1; seed <= 1500; seed += 1) {
    const random = seededRandom(seed);
    const world = new LineageWorld(2 + random.below(6), random);
    const named = new Map<string, number>();
    const seen = new Set<string>();
    for (let step = 0; step < 80; step += 1) {
      world.step();
      for (const node of world.nodes) check(node);
    }

    function check({ path, log, commit }: WorldNode): void {
      for (let index = 1; index <= commit; index += 1) {
        const name = `${index}@${writtenIn(path, index)}`;
        const entry = log[index - 1]?.id ?? 0;
        assert.is(named.get(name) ?? entry, entry, `seed ${seed}: ${name}`);
        named.set(name, entry);
        told += 1;
        others += seen.has(`${index} ${entry}`) ? 0 : 1;
        seen.add(`${index} ${entry}`);
      }
    }
  }
  assert.ok(told > 10_000 && others > 1000, `${told} ${others}`);
});

it("holds what was committed before a fork to the earlier generation, and the rest to the later", () => {
  const path = [root, child(root, 12, 10)];
  const [, forced = root] = path;
  assert.is(writtenIn([root], 99), root.id);
  assert.is(writtenIn(path, 0), root.id);
  assert.is(writtenIn(path, 10), root.id);
  assert.is(writtenIn(path, 11), forced.id, "kept, but perhaps committed otherwise elsewhere");
  assert.is(writtenIn(path, 13), forced.id);
  const earlier = child(forced, 8, 7);
  const longer = [...path, earlier];
  assert.is(writtenIn(longer, 7), root.id);
  assert.is(writtenIn(longer, 9), earlier.id, "the second fork lies before the first");
});

it("names what lies in dropped generations by the next that is known", () => {
  let path: readonly Generation[] = [root];
  for (let n = 1; n <= maxGenerations + 3; n += 1) {
    path = withGeneration(path, child(path.at(-1) ?? root, n * 10, n * 10));
  }
  const [, second = root, third = root] = path;
  assert.is(third.n > second.n + 1, true);
  assert.is(writtenIn(path, 10), root.id);
  assert.is(writtenIn(path, 15), `~${third.id}`);
  assert.is(writtenIn(path, third.legitCommit), `~${third.id}`);
  assert.is(writtenIn(path, third.legitCommit + 1), third.id);
});

it("knows up to where it has what another generation committed", () => {
  const forced = child(root, 12, 10);
  const later = child(forced, 30, 25);
  assert.is(sharedWith([root], root.id), Infinity);
  assert.is(sharedWith([root, forced, later], root.id), 10);
  assert.is(sharedWith([root, forced, later], forced.id), 25);
  assert.is(sharedWith([root, later], forced.id), null);
});

it.run();
