/** What is true of every inventory at every moment, also right after a merge. */
import * as assert from "uvu/assert";
import { claims } from "../../src/inventory/job-nodes.ts";
import { type JobRecord } from "../../src/inventory/records.ts";
import { isPassing, passingPhase } from "../../src/inventory/transitions.ts";
import { type InventoryView } from "../../src/inventory/view.ts";

export function checkInvariants(view: InventoryView): void {
  checkNodes(view);
  for (const job of view.jobs()) checkJob(view, job);
  const ids = view.journal().map(({ id }) => id);
  assert.is(new Set(ids).size, ids.length, "conflicts have names of their own");
  const events = view.events(0, 1_000_000).map(({ index, seq }) => index * 1_000_000 + seq);
  assert.equal(
    events,
    [...new Set(events)].sort((a, b) => a - b),
    "events are in order",
  );
  assert.ok(
    view.members().some(({ status }) => status === "admitted"),
    "somebody is left",
  );
}

function checkNodes(view: InventoryView): void {
  const names = new Set(view.nodes().map(({ name }) => name));
  const ids = new Set(view.nodes().map(({ id }) => id));
  assert.is(ids.size, names.size, "one node for each identity");
  for (const node of view.nodes()) {
    const holder = node.job === null ? null : view.job(node.job);
    const live = holder !== null && (holder.status === "running" || holder.status === "paused");
    const work = holder?.nodes[node.name];
    if (node.job !== null) {
      assert.ok(live, `${node.name} is held by a live job`);
      assert.ok(work, `${node.name} is a target of its job`);
    }
    if (isPassing(node.phase)) {
      assert.is(work?.status, "running", `${node.name} is ${node.phase}`);
      assert.is(passingPhase(holder?.action ?? "verify"), node.phase);
    }
    assert.is(view.nodeById(node.id)?.name, node.name);
    assert.is(view.member(node.id)?.status, "admitted", `${node.name} belongs to a member`);
    assert.is(view.member(node.id)?.node, node.name);
  }
  for (const { id, node, status } of view.members()) {
    if (status === "admitted") assert.is(view.node(node)?.id, id, `member of ${node}`);
  }
}

function checkJob(view: InventoryView, job: JobRecord): void {
  assert.equal(Object.keys(job.nodes).sort(), job.targets.toSorted(), `nodes of ${job.id}`);
  const open = claims(job);
  const isOver = !["queued", "running", "paused"].includes(job.status);
  if (isOver) assert.is(open.length, 0, `${job.id} is over`);
  for (const name of open) {
    const node = view.node(name);
    assert.ok(node, `target ${name} of ${job.id} exists`);
    if (job.status !== "queued") assert.is(node.job, job.id, `${job.id} holds ${name}`);
  }
  for (const work of Object.values(job.nodes)) {
    if (work.current !== null) assert.is(work.status, "running");
    if (job.status === "queued") assert.not.equal(work.status, "running");
  }
}
