/** Pages as a peer may send them: whole, torn, changed, too many, from a liar. Nothing bad ever enters the state. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { newPackr } from "../../../../src/inventory/codec.ts";
import { exportPages, isFirstPage } from "../../../../src/inventory/merge/export.ts";
import { limits } from "../../../../src/inventory/limits.ts";
import { checkInvariants } from "../../../support/inventory-invariants.ts";
import { cluster, Inventory, peer, tokenCreate } from "../../../support/inventory.ts";
import {
  loserGeneration,
  mergeInto,
  onLosingSide,
  pageCommand,
  pagesOf,
  policyOf,
  split,
} from "../../../support/merge.ts";

const it = suite("inventory merge: pages");

const big = (inventory: Inventory, count: number, bytes: number): void => {
  for (let i = 0; i < count; i += 1) {
    inventory.ok({ type: "var.put", key: `v${i}`, value: "x".repeat(bytes) });
  }
};

/** An export that says what it likes, cut as honest ones are. */
function forged(items: readonly unknown[]): readonly Uint8Array[] {
  const packr = newPackr();
  const parts = items.flatMap((item) => {
    const bytes = packr.pack(item);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  const body = Buffer.concat(parts);
  const head = (sequence: number): Buffer => {
    const bytes = Buffer.alloc(24);
    createHash("sha256").update(body).digest().copy(bytes, 0, 0, 16);
    bytes.writeUInt32BE(sequence, 16);
    bytes.writeUInt32BE(2, 20);
    return bytes;
  };
  return [head(0), Buffer.concat([head(1), body])];
}

it("cuts what is large into pages of a bounded size, each of which fits an entry", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  big(both.loser, 5, 200_000);
  const pages = pagesOf(both.loser, both.fork);
  assert.ok(pages.length >= 7, `${pages.length} pages`);
  for (const page of pages) assert.ok(page.length <= 256 * 1024);
  mergeInto(both);
  assert.is(both.winner.view.variables().length, 5);
  assert.equal(both.winner.view.merges()[0]?.exports.length, 1);
});

it("has nothing to give while it belongs to no cluster, as after starting over", () => {
  assert.equal(pagesOf(new Inventory(), 0), []);
});

it("shows nothing of a merge before all of it is there, and keeps no page after", async () => {
  const { winner, loser, fork } = await split(cluster("n1", "n2", "n3"));
  big(loser, 3, 150_000);
  const pages = pagesOf(loser, fork);
  for (const bytes of pages.slice(0, -1)) {
    assert.equal(winner.ok(pageCommand(bytes, fork)), {
      merged: false,
      waiting: winner.machine.image().filter(({ key }) => key.startsWith("page/")).length,
      pages: pages.length,
    });
    assert.is(winner.view.variables().length, 0);
  }
  winner.ok(pageCommand(pages.at(-1) ?? new Uint8Array(0), fork));
  assert.is(winner.view.variables().length, 3);
  assert.equal(
    winner.machine.image().filter(({ key }) => key.startsWith("page/")),
    [],
  );
});

it("cuts an export that is too large for one entry into parts, each merged by itself, in bounded memory", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  const { winner, loser, fork } = both;
  big(loser, 140, 250_000);
  winner.ok({ type: "var.put", key: "v7", value: "here" });
  const pages = pagesOf(loser, fork);
  assert.ok(pages.length > 200, `${pages.length} pages`);
  let most = 0;
  for (const bytes of pages) {
    winner.ok(pageCommand(bytes, fork));
    const waiting = winner.machine.image().filter(({ key }) => key.startsWith("page/"));
    most = Math.max(most, waiting.length);
    if (winner.view.merges()[0]?.doneAt !== null) assert.is(bytes, pages.at(-1));
  }
  assert.ok(most * limits.pageBytes < 2 * limits.exportPartBytes, `${most} pages waited`);
  assert.is(winner.view.variables().length, 140);
  assert.equal(
    winner.view.journal().map(({ key }) => key),
    ["var/v7"],
  );
  const done = winner.view.events(0, 10_000).filter(({ type }) => type === "merge.done");
  assert.is(done.length, 1);
});

it("takes what is merged already without another entry, when an exporter begins again", async () => {
  const { winner, loser, fork } = await split(cluster("n1", "n2", "n3"));
  big(loser, 90, 250_000);
  const policy = policyOf(winner);
  const send = async (pages: readonly Uint8Array[]): Promise<number> => {
    const before = winner.view.appliedIndex;
    const rest = { generation: loserGeneration, forkIndex: fork, members: onLosingSide };
    for (const [sequence, bytes] of pages.entries()) {
      await policy.merge({ ...rest, sequence, bytes, pages: null });
    }
    return winner.view.appliedIndex - before;
  };
  const pages = pagesOf(loser, fork);
  const half = pages.slice(0, Math.floor(pages.length / 2));
  assert.is(await send(half), half.length);
  const entries = await send(pages);
  assert.ok(entries < pages.length - half.length + 30, `${entries} for ${pages.length} pages`);
  assert.is(winner.view.variables().length, 90);
  assert.is(await send(pages), 0);
});

it("refuses an export whose first part is too large, and says what to do", async () => {
  const { loser, fork } = await split(cluster("n1"));
  loser.ok(tokenCreate());
  const sizes = { exportBytes: 0, exportBaseBytes: 10, exportPartBytes: 10 };
  const source = { index: loser.view.appliedIndex, cluster: "cluster-1" };
  assert.throws(
    () => [...exportPages({ ...source, image: loser.machine.image() }, fork, sizes)],
    (error: Error & { code: string }) => {
      assert.is(error.code, "MERGE_TOO_LARGE");
      return /Nothing is lost/.test(error.message);
    },
  );
});

it("refuses pages that were changed, cut or made up, and leaves no trace of them", async () => {
  const { winner, loser, fork } = await split(cluster("n1", "n2", "n3"));
  big(loser, 3, 100);
  const [first = new Uint8Array(0), second = new Uint8Array(0)] = pagesOf(loser, fork);
  winner.ok(pageCommand(first, fork));
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(second);
      const place = 24 + (at % (second.length - 24));
      changed[place] = (changed[place] ?? 0) ^ flip;
      winner.refused(pageCommand(changed, fork), "INVALID");
    }),
    { numRuns: 50 },
  );
  winner.refused(pageCommand(second.subarray(0, 10), fork), "INVALID");
  winner.refused(pageCommand(second, 100_000), "INVALID");
  winner.refused(pageCommand(Buffer.concat([first, second]), fork), "INVALID");
  assert.equal(winner.ok(pageCommand(second, fork)), { merged: true });
});

const header = { format: "muster-merge", v: 1, fork: 5, index: 9, cluster: "cluster-1", events: 0 };
const nodes = { nodes: [["n1", peer("n1")]] };
const lies: readonly (readonly [string, unknown, RegExp])[] = [
  ["var/a", { key: "b", value: 1, version: 9 }, /calls itself/],
  ["var/__proto__", { key: "__proto__", value: 1, version: 9 }, /is not a name/],
  ["var/a", { key: "a", value: 1, version: 8 }, /another version/],
  ["node/x", { name: "x" }, /node\/x/],
  ["page/a/b/c", { version: 9 }, /of no kind that can be merged/],
  ["nothing", { version: 9 }, /of no kind/],
  ["event/0000000000000009", [{ index: 9 }], /event/],
  ["job/j", { id: "j", version: 9 }, /job\/j/],
];

it("takes no record that is not what its key says", async () => {
  for (const [key, value, why] of lies) {
    const { winner } = await split(cluster("n1", "n2", "n3"));
    const pages = forged([header, nodes, [key, 9, value], { end: true, count: 1 }]);
    winner.ok(pageCommand(pages[0] ?? new Uint8Array(0), 5));
    const refusal = winner.refused(pageCommand(pages[1] ?? new Uint8Array(0), 5), "INVALID");
    assert.match(refusal.message, why, key);
  }
});

it("takes no node without a member, and nothing of another cluster", async () => {
  const node = { ...cluster("n9").view.node("n9"), version: 9 };
  const member = { ...cluster("n9").view.member(peer("n9")), version: 9 };
  const stranger = { nodes: [["n9", peer("n9")]] };
  const cases = [
    [[header, stranger, ["node/n9", 9, node]], /belongs to no member/],
    [[header, nodes, [`member/${peer("n9")}`, 9, member]], /has no node/],
    [[{ ...header, cluster: "other" }, nodes, ["node/n9", 9, node]], /not of this one/],
    [[{ ...header, fork: 4 }, nodes, ["node/n9", 9, node]], /the fork is at 5/],
  ] as const;
  for (const [items, why] of cases) {
    const { winner } = await split(cluster("n1", "n2", "n3"));
    const pages = forged([...items, { end: true, count: 1 }]);
    winner.ok(pageCommand(pages[0] ?? new Uint8Array(0), 5));
    const refusal = winner.refused(pageCommand(pages[1] ?? new Uint8Array(0), 5), "INVALID");
    assert.match(refusal.message, why);
    checkInvariants(winner.view);
  }
});

it("keeps only so many exports waiting, and none that nobody goes on with", async () => {
  const { winner, loser, fork } = await split(cluster("n1", "n2", "n3"));
  const waiting = (): number =>
    new Set(winner.view.merges().flatMap(({ id }) => pagesHeld(winner, id))).size;
  const exports: (readonly Uint8Array[])[] = [];
  for (let i = 0; i < limits.waitingExports; i += 1) {
    loser.ok({ type: "var.put", key: "a", value: i });
    exports.push(pagesOf(loser, fork));
    winner.ok(pageCommand(exports.at(-1)?.[0] ?? new Uint8Array(0), fork));
  }
  loser.ok({ type: "var.put", key: "a", value: "late" });
  const late = pagesOf(loser, fork);
  winner.refused(pageCommand(late[0] ?? new Uint8Array(0), fork), "LIMIT");
  assert.is(waiting(), limits.waitingExports);
  const merged = winner.ok(pageCommand(exports[0]?.[1] ?? new Uint8Array(0), fork));
  assert.equal(merged, { merged: true }, "who came first is not dropped for others");
  winner.ok(pageCommand(late[0] ?? new Uint8Array(0), fork));
  winner.at += limits.waitingExportMs;
  loser.ok({ type: "var.put", key: "a", value: "new" });
  winner.ok(pageCommand(pagesOf(loser, fork)[0] ?? new Uint8Array(0), fork));
  assert.is(waiting(), 1);
});

it("does not call merged what was dropped while it waited", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.loser.ok({ type: "var.put", key: "a", value: 1 });
  const policy = policyOf(both.winner);
  const [first = new Uint8Array(0), last = new Uint8Array(0)] = pagesOf(both.loser, both.fork);
  const page = {
    generation: { n: 2, id: "ab".repeat(16) },
    forkIndex: both.fork,
    members: [peer("n3")],
  };
  const sendLast = (): Promise<void> =>
    policy.merge({ ...page, sequence: 1, bytes: last, pages: 2 });
  await policy.merge({ ...page, sequence: 0, bytes: first, pages: null });
  both.winner.at += limits.waitingExportMs;
  both.loser.ok({ type: "var.put", key: "b", value: 2 });
  both.winner.ok(pageCommand(pagesOf(both.loser, both.fork)[0] ?? new Uint8Array(0), both.fork));
  await sendLast().then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, "CONFLICT"),
  );
  assert.is(both.winner.view.variable("a"), null);
  await policy.merge({ ...page, sequence: 0, bytes: first, pages: null });
  await sendLast();
  assert.is(both.winner.view.variable("a")?.value, 1);
});

function pagesHeld(inventory: Inventory, generation: string): readonly string[] {
  return inventory.machine
    .image()
    .filter(({ key }) => key.startsWith(`page/${generation}/`))
    .map(({ key }) => key.split("/")[2] ?? "");
}

it("carries pages from one policy to the other, and tells a refusal by its code", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  both.loser.ok({ type: "var.put", key: "a", value: 1 });
  const winner = policyOf(both.winner);
  const page = {
    generation: { n: 2, id: "ab".repeat(16) },
    forkIndex: both.fork,
    members: [peer("n3")],
    pages: null,
  };
  let sequence = 0;
  for (const bytes of policyOf(both.loser).pages(both.fork)) {
    await winner.merge({ ...page, sequence, bytes });
    sequence += 1;
  }
  assert.is(both.winner.view.variable("a")?.value, 1);
  const torn = winner.merge({ ...page, sequence, bytes: new Uint8Array(3) });
  await torn.then(
    () => assert.unreachable(),
    (error: { code: string }) => assert.is(error.code, "INVALID"),
  );
});

it("cuts many small records as it cuts few large ones: what they cost is mostly their number", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  for (let i = 0; i < 100; i += 1) both.loser.ok({ type: "var.put", key: `k${i}`, value: i });
  const id = both.loser.view.cluster()?.id ?? "";
  const image = both.loser.machine.image();
  const source = { image, index: both.loser.view.appliedIndex, cluster: id };
  const sizes = { exportBytes: 60_000, exportBaseBytes: 60_000, exportPartBytes: 20_000 };
  const pages = [...exportPages(source, both.fork, sizes)];
  const bytes = pages.reduce((sum, page) => sum + page.length, 0);
  assert.ok(bytes < sizes.exportBytes, `${bytes}`);
  assert.ok(pages.filter(isFirstPage).length > 2, "several parts");
  mergeInto(both, undefined, pages);
  assert.is(both.winner.view.variable("k99")?.value, 99);
});

it.run();
