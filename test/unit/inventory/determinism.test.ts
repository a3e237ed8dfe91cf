/** consensus.md I5, I11, I12: equal entries give equal states, also through a snapshot in the middle. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { silentLogger } from "../../../src/base/logger.ts";
import { type Entry, EntryType } from "../../../src/consensus/core/types.ts";
import { encodeEnvelope } from "../../../src/inventory/codec.ts";
import { type Envelope } from "../../../src/inventory/commands.ts";
import { claims } from "../../../src/inventory/job-nodes.ts";
import { InventoryStateMachine } from "../../../src/inventory/state-machine.ts";
import { isPassing } from "../../../src/inventory/transitions.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";
import { envelope } from "../../support/inventory-commands.ts";
import { cluster, peer } from "../../support/inventory.ts";

const it = suite("inventory determinism");
const runs = { numRuns: 60 };
const scenario = fc.array(envelope, { minLength: 20, maxLength: 120 });

/** A machine with a cluster of three nodes, by a snapshot that all of a property's machines share. */
async function prepared(): Promise<InventoryStateMachine> {
  return copyOf(cluster("n1", "n2", "n3").machine);
}

async function copyOf(machine: InventoryStateMachine): Promise<InventoryStateMachine> {
  const copy = new InventoryStateMachine({ logger: silentLogger });
  const { index, bytes } = machine.snapshot();
  await copy.restore(bytes, index);
  return copy;
}

function entriesAfter(index: number, envelopes: readonly Envelope[]): readonly Entry[] {
  return envelopes.map((each, i) => ({
    index: index + 1 + i,
    term: 1,
    type: EntryType.command,
    data: encodeEnvelope(each),
  }));
}

it("gives two replicas the same answers and states, one of them through a snapshot", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, fc.nat(), fc.nat({ max: 9 }), async (envelopes, cut, batch) => {
      const one = await prepared();
      let two = await prepared();
      const entries = entriesAfter(one.appliedIndex, envelopes);
      const middle = cut % entries.length;
      const answers = entries.flatMap((entry) => one.apply([entry]));
      const others = [...two.apply(entries.slice(0, middle))];
      two = await copyOf(two);
      for (let at = middle; at < entries.length; at += batch + 1) {
        others.push(...two.apply(entries.slice(at, Math.min(at + batch + 1, entries.length))));
      }
      assert.equal(others, answers);
      assert.is(two.hash(), one.hash());
    }),
    runs,
  );
});

it("answers a repeated request as before and changes nothing, whatever came between", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (envelopes) => {
      const machine = await prepared();
      const send = (each: Envelope, i: number): unknown => {
        const origin = { agent: peer("n1"), boot: "9", seq: i + 1, acked: 0 };
        const entries = entriesAfter(machine.appliedIndex, [{ ...each, origin }]);
        // Refusals that came before the window was asked are made anew, with an index of their own.
        return machine.apply(entries).map((result) => ({ ...result, index: 0 }));
      };
      const answers = envelopes.map(send);
      const before = machine.hash();
      assert.equal(envelopes.map(send), answers);
      assert.is(machine.hash(), before);
    }),
    runs,
  );
});

it("keeps the promises of the life of a node, whatever is asked", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (envelopes) => {
      const machine = await prepared();
      for (const entry of entriesAfter(machine.appliedIndex, envelopes)) {
        machine.apply([entry]);
        checkPromises(machine.view);
      }
    }),
    runs,
  );
});

function checkPromises(view: InventoryView): void {
  for (const node of view.nodes()) {
    const holder = node.job === null ? null : view.job(node.job);
    const live = holder !== null && (holder.status === "running" || holder.status === "paused");
    if (node.job !== null) assert.ok(live, `${node.name} is held by a live job`);
    if (isPassing(node.phase)) {
      assert.is(holder?.nodes[node.name]?.status, "running", `${node.name} is ${node.phase}`);
    }
    assert.is(view.nodeById(node.id)?.name, node.name);
    assert.is(view.member(node.id)?.status, "admitted");
  }
  for (const job of view.activeJobs()) {
    if (job.status === "queued") continue;
    for (const name of claims(job))
      assert.is(view.node(name)?.job, job.id, `${job.id} holds ${name}`);
  }
  assert.ok(
    view.members().some(({ status }) => status === "admitted"),
    "somebody is left",
  );
}

it.run();
