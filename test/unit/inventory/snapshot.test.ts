import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Packr } from "msgpackr";
import { silentLogger } from "../../../src/base/logger.ts";
import { schemaVersion } from "../../../src/inventory/commands.ts";
import { InventoryStateMachine } from "../../../src/inventory/state-machine.ts";
import { type Inventory, admit, cluster, commission, peer } from "../../support/inventory.ts";

const it = suite("inventory snapshot");

function rich(): Inventory {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok({
    type: "node.patch",
    node: "n2",
    labels: { rack: "r1" },
    vars: { a: { b: [1.5] } },
  });
  commission(inventory, "j1", "n2");
  inventory.ok({ type: "node.forget", node: "n3", force: true });
  const origin = { agent: peer("n1"), boot: "0001", seq: 1, acked: 0 };
  const idempotency = { key: "k", digest: "d" };
  inventory.ok({ type: "var.put", key: "v", value: null }, { origin, idempotency });
  return inventory;
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

function newMachine(): InventoryStateMachine {
  return new InventoryStateMachine({ logger: silentLogger });
}

it("restores the same state, from chunks of any size", async () => {
  const { machine } = rich();
  const { index, bytes } = machine.snapshot();
  const whole = await collect(bytes);
  for (const size of [1, 7, 1000, whole.length]) {
    const other = newMachine();
    await other.restore(pieces(whole, size), index);
    assert.is(other.hash(), machine.hash());
    assert.is(other.appliedIndex, index);
  }
});

it("answers after a restore as before it: indexes, windows, queues", async () => {
  const inventory = rich();
  inventory.ok({
    type: "job.create",
    id: "j2",
    action: "verify",
    targets: ["n2"],
    roles: null,
    vars: {},
    strategy: { batch: 1, canary: null, maxFailures: 0, onFailure: "continue" },
    waves: [["n2"]],
    revision: null,
    force: false,
    reason: "",
  });
  const { index, bytes } = inventory.machine.snapshot();
  const other = newMachine();
  await other.restore(bytes, index);
  const { view } = other;
  assert.is(view.nodeById(peer("n2"))?.name, "n2");
  assert.equal(
    view.activeJobs().map(({ id }) => id),
    ["j2"],
  );
  assert.equal(view.ledger("n2"), inventory.view.ledger("n2"));
  assert.equal(view.history("n2"), inventory.view.history("n2"));
  assert.equal(view.events(0, 1e6), inventory.view.events(0, 1e6));
  assert.is(view.firstEventIndex, inventory.view.firstEventIndex);
  assert.equal(view.remembered("k"), inventory.view.remembered("k"));
});

it("replaces the state of the same view, and tells listeners", async () => {
  const inventory = rich();
  const { index, bytes } = inventory.machine.snapshot();
  const other = cluster("x");
  const { view } = other;
  let heard = 0;
  other.machine.onApplied((applied) => (heard = applied));
  await other.machine.restore(bytes, index);
  assert.is(view.node("x"), null);
  assert.is(view.node("n2")?.phase, "commissioned");
  assert.is(heard, index);
});

it("is an image of its moment, whatever is applied while it is written", async () => {
  const inventory = rich();
  const hash = inventory.machine.hash();
  const { index, bytes } = inventory.machine.snapshot();
  inventory.ok({ type: "var.put", key: "later", value: 1 });
  inventory.ok(admit("n9"));
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const other = newMachine();
  await other.restore(bytes, index);
  assert.is(other.hash(), hash);
});

it("comes in chunks of at most 256 KiB", async () => {
  const inventory = cluster("n1");
  for (const key of ["a", "b", "c"]) {
    inventory.ok({ type: "var.put", key, value: key.repeat(250_000) });
  }
  let chunks = 0;
  for await (const chunk of inventory.machine.snapshot().bytes) {
    assert.ok(chunk.length <= 262_144);
    chunks += 1;
  }
  assert.ok(chunks >= 3);
});

function item(value: unknown): Buffer {
  const bytes = new Packr({ useRecords: false }).pack(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
const header = { format: "muster-inventory", v: 1, index: 5 };
const record = ["var/a", 3, { key: "a", value: 1, version: 3 }];
const trailer = { end: true, count: 1 };

const broken: Readonly<Record<string, readonly unknown[]>> = {
  "nothing at all": [],
  "no header": [record, trailer],
  "another format": [{ ...header, format: "other" }, record, trailer],
  "another index": [{ ...header, index: 6 }, record, trailer],
  "no version": [{ format: "muster-inventory", index: 5 }, record, trailer],
  "no end": [header, record],
  "another count": [header, record, record, trailer],
  "more after its end": [header, record, trailer, record],
  "an unknown kind of record": [header, ["nope/a", 3, { version: 3 }], trailer],
  "a record of another version": [
    header,
    ["var/a", 4, { key: "a", value: 1, version: 3 }],
    trailer,
  ],
  "an item that is no record": [header, [1, 2], trailer],
};

for (const [what, items] of Object.entries(broken)) {
  it(`is refused with ${what}, and nothing changes`, async () => {
    const inventory = rich();
    const before = inventory.machine.hash();
    await assertRefused(inventory, Buffer.concat(items.map(item)), "SNAPSHOT_INVALID");
    assert.is(inventory.machine.hash(), before);
  });
}

async function assertRefused(inventory: Inventory, bytes: Buffer, code: string): Promise<void> {
  try {
    await inventory.machine.restore(pieces(bytes, 100), 5);
  } catch (error) {
    assert.is((error as { code: string }).code, code);
    return;
  }
  assert.unreachable("the snapshot was taken");
}

it("is taken when it is whole", async () => {
  const other = newMachine();
  const bytes = Buffer.concat([header, record, trailer].map(item));
  await other.restore(pieces(bytes, 100), 5);
  assert.is(other.view.variable("a")?.value, 1);
});

it("is refused when it is cut, or claims an item of absurd size", async () => {
  const inventory = rich();
  const bytes = Buffer.concat([header, record, trailer].map(item));
  await assertRefused(inventory, bytes.subarray(0, bytes.length - 3), "SNAPSHOT_INVALID");
  await assertRefused(inventory, Buffer.concat([bytes, Buffer.from([0])]), "SNAPSHOT_INVALID");
  await assertRefused(inventory, Buffer.from([0xff, 0xff, 0xff, 0xff, 0]), "SNAPSHOT_INVALID");
});

it("of a newer schema is refused, saying what to do", async () => {
  const bytes = Buffer.concat([{ ...header, v: schemaVersion + 1 }, record, trailer].map(item));
  await assertRefused(rich(), bytes, "SCHEMA_TOO_NEW");
});

it.run();
