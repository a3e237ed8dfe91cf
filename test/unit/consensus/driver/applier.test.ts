import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { Applier } from "../../../../src/consensus/driver/applier.ts";
import { commands, snapshotMeta } from "../../../support/entries.ts";
import { ListMachine } from "../../../support/raft-cluster.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("applier");

function setUp(bytes = '["from","snapshot"]') {
  const clock = new VirtualClock();
  const machine = new ListMachine();
  const seen: string[] = [];
  async function* bytesOf(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from(bytes));
  }
  const applier = new Applier<string>(
    { stateMachine: machine, clock, bytesOf },
    {
      applied: (entry, result) => void seen.push(`${entry.index}=${result}`),
      reached: (index) => void seen.push(`reached ${index}`),
      restored: ({ index }) => void seen.push(`restored ${index}`),
      failed: (error) => void seen.push(`failed ${String(error)}`),
    },
    0,
  );
  return { clock, machine, seen, applier };
}

const meta = snapshotMeta(50, 3, simpleConfiguration(["a"]));

it("applies in order and reports the end once", () => {
  const { applier, seen } = setUp();
  applier.push(commands(1, 2, 1));
  applier.push(commands(3, 3, 2));
  applier.run(8);
  assert.equal(seen, ["1=#1", "2=#2", "3=#3", "reached 3"]);
  assert.equal(applier.position, { index: 3, term: 2 });
  assert.not(applier.ready);
});

it("stops in the middle when its time is over, and goes on later", () => {
  const { applier, machine, clock } = setUp();
  const apply = machine.apply.bind(machine);
  machine.apply = (entries) => {
    void clock.advance(5);
    return apply(entries);
  };
  applier.push(commands(1, 1000, 1));
  applier.run(0);
  assert.is(machine.appliedIndex, 256);
  assert.is(applier.pending, 744);
  assert.ok(applier.ready);
  while (applier.ready) applier.run(0);
  assert.is(machine.appliedIndex, 1000);
});

it("restores a snapshot in its place, but only when the log behind it is durable", async () => {
  const { applier, machine, seen, clock } = setUp();
  applier.push(commands(1, 1, 1));
  applier.pushRestore(meta, 7);
  applier.push(commands(51, 51, 3));
  applier.run(8);
  assert.is(machine.appliedIndex, 1);
  applier.durable(6);
  assert.not(applier.ready);
  applier.run(8);
  await clock.advance(0);
  assert.is(machine.appliedIndex, 1);
  applier.durable(7);
  applier.run(8);
  assert.ok(applier.restoring);
  assert.not(applier.ready, "nothing is applied while it restores");
  await clock.advance(0);
  assert.equal(applier.position, { index: 50, term: 3 });
  applier.run(8);
  assert.equal(machine.commands, ["from", "snapshot", "command 51"]);
  assert.equal(seen, ["1=#1", "reached 1", "restored 50", "51=#3", "reached 51"]);
});

it("reports a snapshot that cannot be restored", async () => {
  const { applier, seen, clock } = setUp("not JSON");
  applier.pushRestore(meta, 1);
  applier.durable(1);
  applier.run(8);
  await clock.advance(0);
  assert.is(seen.length, 1);
  assert.match(seen[0] ?? "", /^failed SyntaxError/);
});

it.run();
