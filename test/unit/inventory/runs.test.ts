import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newestRun } from "../../../src/inventory/ledger.ts";
import {
  type Inventory,
  cluster,
  commission,
  finished,
  jobCreate,
  nodeFinish,
  peer,
  run,
  runFinish,
  setRevision,
  start,
} from "../../support/inventory.ts";
import { type CurrentRun } from "../../../src/inventory/records.ts";
import { mergeInto, split } from "../../support/merge.ts";

const it = suite("inventory runs");

/** A node whose commission is at work. */
function atWork(): Inventory {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  const begin = { job: "j1", node: "n1", phase: "commissioning", roles: ["base", "web"] } as const;
  inventory.ok({ type: "job.node.begin", ...begin });
  return inventory;
}

function begin(inventory: Inventory, current: CurrentRun = run("j1", "n1")): CurrentRun {
  inventory.ok({ type: "run.begin", job: "j1", node: "n1", run: current });
  return current;
}

function outcomeOf(answer: unknown): readonly unknown[] {
  const { outcome, recorded } = answer as { outcome: string; recorded: boolean };
  return [outcome, recorded];
}

it("is recorded before it starts, with the time of the command", () => {
  const inventory = atWork();
  inventory.at += 50;
  const current = begin(inventory);
  const work = inventory.view.job("j1")?.nodes["n1"];
  assert.equal(work?.current, { ...current, begunAt: start + 50 });
  assert.is(work?.step, "web/configure");
});

it("counts a role as on the machine from the moment that its configuration begins", () => {
  const inventory = atWork();
  begin(inventory);
  assert.equal(inventory.view.node("n1")?.appliedRoles, ["web"]);
  inventory.ok(runFinish("j1", "n1", finished(run("j1", "n1"), { outcome: "lost" })));
  const cleanup = begin(inventory, run("j1", "n1", { action: "cleanup" }));
  inventory.ok(runFinish("j1", "n1", finished(cleanup, { outcome: "failed", exitCode: 3 })));
  assert.equal(
    inventory.view.node("n1")?.appliedRoles,
    ["web"],
    "a failed clean-up removes nothing",
  );
  const again = begin(inventory, run("j1", "n1", { action: "cleanup", attempt: 2 }));
  inventory.ok(runFinish("j1", "n1", finished(again)));
  assert.equal(inventory.view.node("n1")?.appliedRoles, []);
});

it("begins only one at a time, and each id once", () => {
  const inventory = atWork();
  const first = begin(inventory);
  const command = { type: "run.begin", job: "j1", node: "n1" } as const;
  inventory.refused({ ...command, run: first }, "ALREADY_EXISTS");
  const second = run("j1", "n1", { attempt: 2 });
  assert.is(
    inventory.refused({ ...command, run: second }, "ILLEGAL_MOVE").details["run"],
    first.id,
  );
  inventory.ok(runFinish("j1", "n1", finished(first)));
  inventory.refused({ ...command, run: first }, "ALREADY_EXISTS");
  inventory.ok({ ...command, run: second });
});

it("begins only where its job is at work", () => {
  const inventory = cluster("n1");
  const command = { type: "run.begin", job: "j1", node: "n1", run: run("j1", "n1") } as const;
  inventory.refused(command, "NOT_FOUND");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.refused(command, "ILLEGAL_MOVE");
});

it("has the id that its parts give, a known revision and a timeout", () => {
  const inventory = atWork();
  const command = { type: "run.begin", job: "j1", node: "n1" } as const;
  const current = run("j1", "n1");
  inventory.refused({ ...command, run: { ...current, id: "j1/n1/web/configure/9" } }, "INVALID");
  inventory.refused({ ...command, run: { ...current, timeoutMs: 0 } }, "INVALID");
  inventory.refused({ ...command, run: { ...current, revision: "unknown" } }, "NOT_FOUND");
  inventory.refused({ ...command, run: run("j1", "n1", { role: "a/b" }) }, "INVALID");
});

it("goes on while its job is paused or being cancelled", () => {
  const inventory = atWork();
  inventory.ok({ type: "job.pause", job: "j1" });
  const current = begin(inventory);
  inventory.ok({ type: "job.cancel", job: "j1" });
  inventory.ok(runFinish("j1", "n1", finished(current, { outcome: "cancelled", exitCode: null })));
  begin(inventory, run("j1", "n1", { action: "cleanup" }));
});

it("ends with a ledger entry and a line in its job", () => {
  const inventory = atWork();
  const current = begin(inventory);
  const result = finished(current, { outcome: "failed", exitCode: 7, message: "no disk" });
  const command = { ...runFinish("j1", "n1", result), vars: { a: 1 }, transcripts: [peer("n1")] };
  assert.equal(outcomeOf(inventory.ok(command)), ["failed", true]);
  const work = inventory.view.job("j1")?.nodes["n1"];
  assert.is(work?.current, null);
  assert.equal(work?.runs, [result]);
  const index = inventory.machine.appliedIndex;
  assert.equal(inventory.view.ledgerEntry("n1", current.id), {
    ...result,
    node: "n1",
    job: "j1",
    index,
    vars: { a: 1 },
    varsDigest: "d",
    transcripts: [peer("n1")],
    version: index,
  });
});

it("keeps the result that came first, and tells it to whoever comes later", () => {
  const inventory = atWork();
  const current = begin(inventory);
  inventory.ok(runFinish("j1", "n1", finished(current, { outcome: "lost", exitCode: null })));
  const before = inventory.machine.hash();
  const late = () => inventory.ok(runFinish("j1", "n1", finished(current)));
  assert.equal(outcomeOf(late()), ["lost", false]);
  assert.is(inventory.machine.hash(), before, "it changes nothing");
  inventory.ok(nodeFinish("j1", "n1", { status: "lost", phase: "failed" }));
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  assert.equal(outcomeOf(late()), ["lost", false], "also after the job has ended");
});

it("lets the job go on when the result came with a merge", async () => {
  const inventory = atWork();
  const current = begin(inventory);
  const both = await split(inventory);
  both.loser.ok(runFinish("j1", "n1", finished(current)));
  both.winner.ok({ type: "job.pause", job: "j1" });
  mergeInto(both);
  const { winner } = both;
  const work = () => winner.view.job("j1")?.nodes["n1"];
  assert.is(winner.view.ledgerEntry("n1", current.id)?.outcome, "succeeded");
  assert.is(work()?.current?.id, current.id, "this side's work in the job is kept");
  const lost = finished(current, { outcome: "lost", exitCode: null });
  assert.equal(outcomeOf(winner.ok(runFinish("j1", "n1", lost))), ["succeeded", false]);
  assert.is(work()?.current, null);
  assert.equal(work()?.runs, [finished(current)]);
});

it("tells the result that came first also when its job has been dropped", () => {
  const inventory = cluster("n1", "n2");
  commission(inventory, "a-first", "n1");
  for (let i = 0; i < 1000; i += 1) {
    const id = `j${String(i).padStart(5, "0")}`;
    inventory.ok(jobCreate(id, "cleanup", ["n2"]));
    inventory.ok({ type: "job.finish", job: id, status: "failed" });
  }
  assert.is(inventory.view.job("a-first"), null);
  const late = finished(run("a-first", "n1"), { outcome: "failed" });
  assert.equal(outcomeOf(inventory.ok(runFinish("a-first", "n1", late))), ["succeeded", false]);
});

it("refuses the end of a run that never began, or is another one", () => {
  const inventory = atWork();
  inventory.refused(runFinish("j1", "n1", finished(run("j1", "n1"))), "NOT_FOUND");
  const current = begin(inventory);
  const other = finished(run("j1", "n1", { attempt: 2 }));
  inventory.refused(runFinish("j1", "n1", other), "NOT_FOUND");
  inventory.refused(runFinish("j1", "n1", { ...finished(current), role: "base" }), "INVALID");
  inventory.refused(runFinish("j1", "n1", { ...finished(current), revision: "x" }), "INVALID");
  inventory.refused(runFinish("j1", "n2", finished(current)), "NOT_FOUND");
});

it("cuts a message that is too long instead of losing the result", () => {
  const inventory = atWork();
  const current = begin(inventory);
  inventory.ok(runFinish("j1", "n1", finished(current, { message: "x".repeat(5000) })));
  assert.is(inventory.view.ledgerEntry("n1", current.id)?.message.length, 4096);
});

it("learns of further copies of its transcript", () => {
  const inventory = cluster("n1", "n2");
  commission(inventory, "j1", "n1");
  const { id } = run("j1", "n1");
  const more = { type: "run.transcripts", node: "n1", run: id } as const;
  const told = () => inventory.ok({ ...more, peers: [peer("n2"), peer("n1"), peer("n2")] });
  assert.equal(inventory.eventsOf(told), ["run.transcripts node/n1"]);
  assert.equal(inventory.view.ledgerEntry("n1", id)?.transcripts, [peer("n2"), peer("n1")]);
  assert.equal(inventory.eventsOf(told), []);
  inventory.refused({ ...more, run: "none", peers: [] }, "NOT_FOUND");
});

it("lists the ledger in the order in which runs were recorded", () => {
  const inventory = atWork();
  const ids = ["zz", "aa", "mm"].map((role) => complete(inventory, role));
  assert.equal(
    inventory.view.ledger("n1").map(({ id }) => id),
    ids,
  );
  const peers = [peer("n2")];
  inventory.ok({ type: "run.transcripts", node: "n1", run: ids[0] ?? "", peers });
  assert.equal(
    inventory.view.ledger("n1").map(({ id }) => id),
    ids,
    "a later copy moves nothing",
  );
});

function complete(inventory: Inventory, role: string): string {
  const current = begin(inventory, run("j1", "n1", { role }));
  inventory.ok(runFinish("j1", "n1", finished(current)));
  return current.id;
}

it("keeps the newest runs of a node, and of each action of each role the newest and the newest good one", () => {
  const inventory = atWork();
  const good = complete(inventory, "web");
  const bad = begin(inventory, run("j1", "n1", { attempt: 2 }));
  inventory.ok(runFinish("j1", "n1", finished(bad, { outcome: "failed", exitCode: 1 })));
  for (let attempt = 1; attempt <= 510; attempt += 1) {
    const verify = begin(inventory, run("j1", "n1", { action: "verify", attempt }));
    inventory.ok(runFinish("j1", "n1", finished(verify)));
  }
  const ledger = inventory.view.ledger("n1");
  assert.is(ledger.length, 500);
  assert.equal(
    ledger.slice(0, 3).map(({ id }) => id),
    [good, bad.id, run("j1", "n1", { action: "verify", attempt: 13 }).id],
  );
  const wanted = { role: "web", action: "configure" } as const;
  assert.is(newestRun(inventory.view, "n1", wanted)?.id, bad.id);
  assert.is(newestRun(inventory.view, "n1", { ...wanted, succeeded: true })?.id, good);
  const dropped = finished(run("j1", "n1", { action: "verify", attempt: 1 }), { outcome: "lost" });
  assert.equal(
    outcomeOf(inventory.ok(runFinish("j1", "n1", dropped))),
    ["succeeded", false],
    "the job remembers what the ledger dropped",
  );
});

it("keeps the revisions that a clean-up would need", () => {
  const inventory = atWork();
  complete(inventory, "web");
  inventory.ok(nodeFinish("j1", "n1", { phase: "commissioned", appliedRoles: ["web"] }));
  inventory.ok({ type: "job.finish", job: "j1", status: "succeeded" });
  assert.is(inventory.view.node("n1")?.revision, null);
  for (let i = 0; i < 25; i += 1) setRevision(inventory, `r${i}`);
  assert.ok(inventory.view.revision("c0ffee"), "the ledger still refers to it");
});

it.run();
