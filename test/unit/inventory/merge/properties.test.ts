/**
 * Whatever both sides did since the fork: every acknowledged write is in force after the merge or in the journal, key
 * by key; replicas agree; pages may come twice and in any order; the invariants of the inventory hold.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { canonicalJson, type Json } from "../../../../src/base/json.ts";
import { type CommandResult, type Envelope } from "../../../../src/inventory/commands.ts";
import { type StoredRecord } from "../../../../src/inventory/record-types.ts";
import { encodeEnvelope } from "../../../../src/inventory/codec.ts";
import { checkInvariants } from "../../../support/inventory-invariants.ts";
import { envelope } from "../../../support/inventory-commands.ts";
import { cluster, type Inventory, peer } from "../../../support/inventory.ts";
import {
  copyOf,
  mergeInto,
  pageCommand,
  pagesOf,
  pagesOfParts,
  type Split,
} from "../../../support/merge.ts";
import { missingAfterMerge } from "./oracle.ts";

const it = suite("inventory merge: properties");
const runs = { numRuns: 120 };

const commands = (most: number) => fc.array(envelope, { minLength: 5, maxLength: most });
const members = fc
  .subarray(["n1", "n2", "n3"], { minLength: 1, maxLength: 2 })
  .map((names) => names.map(peer));
const world = fc.record({
  before: commands(40),
  ours: commands(60),
  theirs: commands(60),
  members,
});
type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function apply(inventory: Inventory, envelopes: readonly Envelope[]): readonly CommandResult[] {
  return envelopes.map((each) => inventory.bytes(encodeEnvelope(each)));
}

async function splitOf({ before, ours, theirs }: World): Promise<Split> {
  const winner = cluster("n1", "n2", "n3");
  apply(winner, before);
  const loser = await copyOf(winner);
  const fork = winner.machine.appliedIndex;
  apply(winner, ours);
  apply(loser, theirs);
  return { winner, loser, fork };
}

function image(inventory: Inventory): readonly StoredRecord[] {
  return inventory.machine.image();
}

it("keeps every acknowledged write of both sides, in force or in the journal", async () => {
  await fc.assert(
    fc.asyncProperty(world, async (given) => {
      const both = await splitOf(given);
      const ours = image(both.winner);
      mergeInto(both, given.members);
      const sides = { ours, theirs: image(both.loser), fork: both.fork };
      assert.equal(missingAfterMerge(both.winner.view, both.loser.view, sides), []);
      checkInvariants(both.winner.view);
    }),
    runs,
  );
});

it("keeps them too when the export is merged part by part, begun again somewhere in the middle", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.nat(), async (given, cut) => {
      const both = await splitOf(given);
      const ours = image(both.winner);
      const pages = pagesOfParts(both.loser, both.fork);
      const again = [...pages.slice(0, cut % pages.length), ...pages];
      mergeInto(both, given.members, again);
      const sides = { ours, theirs: image(both.loser), fork: both.fork };
      assert.equal(missingAfterMerge(both.winner.view, both.loser.view, sides), []);
      checkInvariants(both.winner.view);
      assert.equal(
        image(both.winner).filter(({ key }) => key.startsWith("page/")),
        [],
      );
    }),
    runs,
  );
});

it("gives replicas the same state, one of them through a snapshot among the pages", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.nat(), async (given, cut) => {
      const { winner, loser, fork } = await splitOf(given);
      let other = await copyOf(winner);
      const pages = pagesOf(loser, fork);
      for (const [i, bytes] of pages.entries()) {
        if (i === cut % pages.length) other = await copyOf(other);
        const page = pageCommand(bytes, fork, given.members);
        assert.equal(other.send(page), winner.send(page));
      }
      assert.is(other.machine.hash(), winner.machine.hash());
    }),
    { numRuns: 40 },
  );
});

it("does not mind pages that come again, or in another order", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.infiniteStream(fc.nat()), async (given, chance) => {
      const both = await splitOf(given);
      const other = await copyOf(both.winner);
      mergeInto(both, given.members);
      const pages = pagesOf(both.loser, both.fork);
      const order = [...pages.keys(), ...pages.keys()].map(
        (i) => [chance.next().value, i] as const,
      );
      for (const [, i] of order.sort(([a], [b]) => a - b)) {
        const bytes = pages[i] ?? new Uint8Array(0);
        assert.ok(other.send(pageCommand(bytes, both.fork, given.members)).ok);
      }
      assert.equal(contents(other), contents(both.winner));
    }),
    { numRuns: 40 },
  );
});

/** Values without indices: the second inventory needed more entries for the same. */
function contents(inventory: Inventory): readonly (readonly [string, string])[] {
  const strip = (value: Json): Json => JSON.parse(JSON.stringify(value), blank) as Json;
  return image(inventory)
    .filter(({ key }) => !/^(history|event|session|idem)\//.test(key))
    .map(({ key, value }) => [key, canonicalJson(strip(value as unknown as Json))] as const);
}

function blank(key: string, value: unknown): unknown {
  return /^(version|index|mergedAt|winnerVersion|stamps|sourceVersion)$/.test(key) ? 0 : value;
}

it("goes on where a shorter export of the same generation ended", async () => {
  await fc.assert(
    fc.asyncProperty(world, fc.nat(), async (given, cut) => {
      const middle = cut % given.theirs.length;
      const both = await splitOf({ ...given, theirs: given.theirs.slice(0, middle) });
      const own = image(both.winner).filter(({ modIndex }) => modIndex > both.fork);
      const written = new Set(own.map(({ key }) => key.replace(/^deleted\//, "")));
      mergeInto(both, given.members);
      apply(both.loser, given.theirs.slice(middle));
      mergeInto(both, given.members);
      const sides = { ours: own, theirs: image(both.loser), fork: both.fork };
      assert.equal(missingAfterMerge(both.winner.view, both.loser.view, sides), []);
      checkInvariants(both.winner.view);
      // What the first export brought is no reason to ask about the second.
      for (const { key, resolution } of both.winner.view.journal()) {
        const isAsked = resolution === "pending" && !key.startsWith("member/");
        if (isAsked) assert.ok(written.has(key), `${key} was not written here`);
      }
    }),
    { numRuns: 40 },
  );
});

it("lets the merged inventory live on", async () => {
  await fc.assert(
    fc.asyncProperty(world, commands(60), async (given, after) => {
      const both = await splitOf(given);
      mergeInto(both, given.members);
      for (const each of after) {
        both.winner.bytes(encodeEnvelope(each));
        checkInvariants(both.winner.view);
      }
      const copy = await copyOf(both.winner);
      assert.is(copy.machine.hash(), both.winner.machine.hash());
    }),
    { numRuns: 30 },
  );
});

it.run();
