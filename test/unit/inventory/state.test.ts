import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../src/base/logger.ts";
import { encodeEnvelope } from "../../../src/inventory/codec.ts";
import { type Command } from "../../../src/inventory/commands.ts";
import { StateHasher } from "../../../src/inventory/state-hash.ts";
import { InventoryState } from "../../../src/inventory/state.ts";
import { InventoryStateMachine } from "../../../src/inventory/state-machine.ts";
import { type VarRecord } from "../../../src/inventory/records.ts";
import { Inventory, cluster, peer } from "../../support/inventory.ts";

const it = suite("inventory state");

it("answers in key order, whatever the order of writing was", () => {
  const inventory = cluster("b", "c", "a");
  assert.equal(
    inventory.view.nodes().map(({ name }) => name),
    ["a", "b", "c"],
  );
  inventory.ok({ type: "vars.patch", patch: { z: 1, a: 1 } });
  inventory.ok({ type: "var.put", key: "m", value: 1 });
  assert.equal(
    inventory.view.variables().map(({ key }) => key),
    ["a", "m", "z"],
  );
});

it("never changes a list it has given out", () => {
  const inventory = cluster("n1");
  const nodes = inventory.view.nodes();
  const [before] = nodes;
  inventory.ok({ type: "node.reachability", changes: [{ id: peer("n1"), reachability: "left" }] });
  assert.is(nodes[0], before);
  assert.is(before?.reachability, "reachable");
  assert.is(inventory.view.nodes()[0]?.reachability, "left");
  assert.is(inventory.view.nodes(), inventory.view.nodes(), "and makes no new one without need");
});

it("has the Raft index of its last write as version of every record", () => {
  const inventory = cluster("n1");
  inventory.ok({ type: "node.patch", node: "n1", roles: ["web"] });
  assert.is(inventory.view.spec("n1").version, inventory.machine.appliedIndex);
  assert.is(inventory.view.labels("n1").version, 0, "an empty record stands in");
});

it("hashes alike what is alike, and only that", () => {
  const hash = (records: readonly (readonly [string, VarRecord])[]): string => {
    const state = new InventoryState();
    for (const [id, record] of records) state.put("var", id, record);
    return new StateHasher().hash(state);
  };
  const a = { key: "a", value: { x: 1, y: [2] }, version: 5 };
  const aTurned = { version: 5, value: { y: [2], x: 1 }, key: "a" };
  const b = { key: "b", value: 2, version: 6 };
  const whole = hash([
    ["a", a],
    ["b", b],
  ]);
  assert.is(
    hash([
      ["b", b],
      ["a", aTurned],
    ]),
    whole,
  );
  assert.is.not(hash([["a", a]]), whole);
  assert.is.not(
    hash([
      ["a", a],
      ["c", b],
    ]),
    whole,
  );
  assert.is.not(
    hash([
      ["a", { ...a, version: 6 }],
      ["b", b],
    ]),
    whole,
  );
  assert.is.not(
    hash([
      ["a", { ...a, value: { x: 1, y: [3] } }],
      ["b", b],
    ]),
    whole,
  );
});

it("keeps the last 10000 events, whole entries at a time", () => {
  const inventory = cluster("n1");
  for (let i = 0; i < 10_050; i += 1) inventory.ok({ type: "var.put", key: "a", value: i });
  const { view } = inventory;
  const first = view.firstEventIndex;
  assert.is(view.events(0, 1_000_000).length, 10_000);
  assert.is(view.events(0, 1)[0]?.index, first);
  assert.ok(first > 1);
});

it("gives events after an index in order, and never a part of an entry", () => {
  const inventory = cluster("n1");
  const before = inventory.machine.appliedIndex;
  inventory.ok({ type: "vars.patch", patch: { a: 1, b: 2, c: 3 } });
  inventory.ok({ type: "var.put", key: "d", value: 4 });
  const told = (after: number, limit: number) =>
    inventory.view.events(after, limit).map(({ index, seq }) => [index - before, seq]);
  assert.equal(told(before, 100), [
    [1, 0],
    [1, 1],
    [1, 2],
    [2, 0],
  ]);
  assert.equal(told(before, 1).length, 3);
  assert.equal(told(before + 1, 100), [[2, 0]]);
  assert.equal(told(before + 2, 100), []);
});

it("names actor and time of every event", () => {
  const inventory = cluster("n1");
  inventory.at += 5;
  inventory.ok({ type: "var.put", key: "a", value: 1 }, { by: "token:ci" });
  const [event] = inventory.view.events(inventory.machine.appliedIndex - 1, 10);
  assert.equal(event, {
    index: inventory.machine.appliedIndex,
    seq: 0,
    at: inventory.at,
    type: "var.changed",
    subject: "var/a",
    message: 'Variable "a" set',
    by: "token:ci",
    data: {},
  });
});

it("keeps the last 500 lines of a node's history", () => {
  const inventory = cluster("n1", "n2");
  const flap: Command[] = (["left", "reachable"] as const).map((reachability) => ({
    type: "node.reachability",
    changes: [{ id: peer("n2"), reachability }],
  }));
  for (let i = 0; i < 260; i += 1) for (const command of flap) inventory.ok(command);
  const history = inventory.view.history("n2");
  assert.is(history.length, 500);
  assert.is(history.at(-1)?.to, "reachable");
  assert.ok(
    history.every(({ kind }) => kind === "reachability"),
    "the oldest lines go first",
  );
  assert.is(inventory.view.history("n1").length, 1);
});

function entriesOf(count: number) {
  const envelope = { v: 1, at: 1, by: "operator", origin: null, idempotency: null };
  const patch = { type: "vars.patch", patch: {} } as const;
  return Array.from({ length: count }, (_, i) => ({
    index: i + 1,
    term: 1,
    type: 1 as const,
    data: encodeEnvelope({ ...envelope, command: { ...patch, patch: { [`k${i}`]: i } } }),
  }));
}

it("tells listeners once per batch, after all of it is applied", () => {
  const machine = new InventoryStateMachine({ logger: silentLogger });
  const heard: unknown[] = [];
  const stopApplied = machine.onApplied((index) => heard.push([index, machine.view.appliedIndex]));
  const stopEvents = machine.onEvents((events) => heard.push(events.map(({ subject }) => subject)));
  const entries = entriesOf(5);
  machine.apply(entries.slice(0, 3));
  assert.equal(heard, [
    ["var/k0", "var/k1", "var/k2"],
    [3, 3],
  ]);
  machine.apply([]);
  assert.is(heard.length, 2);
  stopApplied();
  stopEvents();
  machine.apply(entries.slice(3));
  assert.is(heard.length, 2);
});

it("is not stopped by a listener that throws", () => {
  const errors: string[] = [];
  const logger = {
    ...silentLogger,
    error: (_data: object, text: string) => void errors.push(text),
  };
  const machine = new InventoryStateMachine({ logger });
  machine.onApplied(() => {
    throw new TypeError("listener");
  });
  let heard = 0;
  machine.onApplied((index) => (heard = index));
  machine.apply(entriesOf(1));
  assert.is(heard, 1);
  assert.equal(errors, ["inventory listener failed"]);
});

it("tells of a batch that wrote only variables to nobody who acts on other records", async () => {
  const inventory = cluster("n1");
  const { machine } = inventory;
  const heard: number[] = [];
  const stop = machine.onChanged((index) => heard.push(index));
  inventory.ok({ type: "var.put", key: "a", value: 1 }, { idempotency: { key: "k", digest: "d" } });
  assert.equal(heard, []);
  inventory.ok({ type: "node.patch", node: "n1", roles: ["web"] });
  const changed = machine.appliedIndex;
  assert.equal(heard, [changed]);
  inventory.ok({ type: "vars.patch", patch: { b: 1 } });
  inventory.refused({ type: "var.put", key: "a", value: 2, ifVersion: 1 }, "VERSION_MISMATCH");
  assert.equal(heard, [changed]);
  const { bytes, index } = new Inventory().machine.snapshot();
  await machine.restore(bytes, index);
  assert.equal(heard, [changed, index], "anything may have changed by a snapshot");
  stop();
});

it("starts empty, with defaults standing in", () => {
  const { view, machine } = new Inventory();
  assert.is(view.cluster(), null);
  assert.is(view.settings().settings.repair, "report");
  assert.is(view.config().current, null);
  assert.is(view.firstEventIndex, 0);
  assert.equal(view.events(0, 10), []);
  assert.is(machine.appliedIndex, 0);
});

it.run();
