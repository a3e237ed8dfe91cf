/** The same generation a second time: by another member, with a longer history, or with a shorter one. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Command } from "../../../../src/inventory/commands.ts";
import { limits } from "../../../../src/inventory/limits.ts";
import { cluster } from "../../../support/inventory.ts";
import {
  copyOf,
  loserGeneration,
  mergeInto,
  onLosingSide,
  pageCommand,
  pagesOf,
  split,
} from "../../../support/merge.ts";

const it = suite("inventory merge: again");

const put = (key: string, value: string | number): Command => ({ type: "var.put", key, value });
const label = (node: string, value: string): Command => ({
  type: "node.patch",
  node,
  labels: { rack: value },
});

it("takes what a longer history adds, without a question, and nothing twice", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.loser.ok(put("a", 1));
  both.loser.ok(put("gone", 1));
  both.loser.ok(label("n3", "r1"));
  mergeInto(both);
  const before = both.winner.view.history("n3").length;
  both.loser.ok(put("a", 2));
  both.loser.ok({ type: "var.delete", key: "gone" });
  both.loser.ok(label("n3", "r2"));
  mergeInto(both);
  const { view } = both.winner;
  assert.equal(
    view.variables().map(({ key, value }) => [key, value]),
    [["a", 2]],
  );
  assert.equal(view.labels("n3").labels, { rack: "r2" });
  assert.equal(view.journal(), []);
  assert.is(view.history("n3").length, before + 1);
  const theirs = view
    .events(0, 10_000)
    .filter(({ data }) => data["generation"] === loserGeneration.id);
  assert.is(theirs.length, 6);
  assert.is(view.merges()[0]?.counts.events, 6);
});

it("takes an export of a member that knows less of the common past", async () => {
  const original = cluster("n1", "n2", "n3");
  original.ok(put("old", 1));
  const both = await split(original);
  both.loser.ok(put("a", 1));
  mergeInto(both);
  both.loser.ok(put("b", 2));
  mergeInto({ ...both, fork: both.fork - 1 });
  const { view } = both.winner;
  assert.equal(
    view.variables().map(({ key, value }) => [key, value]),
    [
      ["a", 1],
      ["b", 2],
      ["old", 1],
    ],
  );
  assert.equal(view.journal(), []);
});

it("remembers the keys of so many merges, and no more", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  for (let i = 0; i <= limits.mergesWithKeys; i += 1) {
    both.loser.ok(put(`k${i}`, i));
    const generation = { n: 2, id: `${i}`.padStart(32, "0") };
    for (const bytes of pagesOf(both.loser, both.fork)) {
      both.winner.ok({ ...pageCommand(bytes, both.fork), generation });
    }
  }
  const merges = both.winner.view.merges();
  const forgot = merges.filter(({ keys }) => Object.keys(keys).length === 0);
  assert.equal(
    forgot.map(({ id }) => id),
    ["0".repeat(32)],
  );
  assert.is(both.winner.view.variables().length, limits.mergesWithKeys + 1);
  assert.equal(both.winner.view.journal(), []);
});

it("does not ask again about what was merged and then changed here", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.loser.ok(put("a", 1));
  mergeInto(both);
  both.winner.ok(put("a", 5));
  both.loser.ok(put("other", 1));
  mergeInto(both);
  assert.is(both.winner.view.variable("a")?.value, 5);
  assert.is(both.winner.view.variable("other")?.value, 1);
  assert.equal(both.winner.view.journal(), []);
});

it("never goes back to an older value, but notes it", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.loser.ok(put("a", 1));
  const behind = await copyOf(both.loser);
  both.loser.ok(put("a", 2));
  mergeInto(both);
  mergeInto({ ...both, loser: behind });
  assert.is(both.winner.view.variable("a")?.value, 2);
  const [entry] = both.winner.view.journal();
  assert.is(entry?.rule, "older-export");
  assert.is(entry?.resolution, "superseded");
  assert.equal(entry?.loserValue, { key: "a", value: 1 });
});

it("asks about a key once, with the newest value of the other side", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.winner.ok(put("a", "here"));
  both.loser.ok(put("a", 1));
  mergeInto(both);
  both.loser.ok(put("a", 2));
  mergeInto(both);
  const [entry, second] = both.winner.view.journal();
  assert.is(second, undefined);
  assert.equal(entry?.loserValue, { key: "a", value: 2 });
  assert.is(entry?.resolution, "pending");
});

it("keeps the newest value of a generation that two others had merged, when they become one", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.winner.ok(put("a", "here"));
  const third = { ...both, winner: await copyOf(both.winner) };
  both.loser.ok(put("a", 1));
  mergeInto(both);
  both.loser.ok(put("a", 2));
  mergeInto(third);
  const generation = { n: 2, id: "cd".repeat(16) };
  for (const bytes of pagesOf(third.winner, both.fork)) {
    const page = pageCommand(bytes, both.fork, onLosingSide);
    both.winner.ok({ ...page, generation }, { by: "controller" });
  }
  const entries = both.winner.view.journal().filter((one) => one.generation === loserGeneration.id);
  assert.equal(
    entries.map(({ loserValue, resolution }) => [loserValue, resolution]),
    [[{ key: "a", value: 2 }, "pending"]],
  );
});

it.run();
