/** Jobs in an export that comes in parts: which of them must come with the nodes, and what is lost if they do not. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hangingTogether } from "../../../../src/inventory/merge/together.ts";
import { checkInvariants } from "../../../support/inventory-invariants.ts";
import {
  cluster,
  commission,
  finished,
  type Inventory,
  jobCreate,
  nodeFinish,
  run,
  runFinish,
} from "../../../support/inventory.ts";
import {
  copyOf,
  mergeInto,
  onLosingSide,
  pageCommand,
  pagesOfParts,
  split,
  type Split,
} from "../../../support/merge.ts";

const it = suite("inventory merge: what hangs together");

/** Work on both nodes is under way in job "j" at the fork; here n1 alone is done since, there as told. */
async function halfDone(there: (loser: Inventory) => void): Promise<Split> {
  const original = cluster("n1", "n2", "n3");
  original.ok(jobCreate("j", "commission", ["n1", "n3"]));
  for (const node of ["n1", "n3"]) {
    original.ok({
      type: "job.node.begin",
      ...{ job: "j", node, phase: "commissioning", roles: ["web"] },
    });
    original.ok({ type: "run.begin", job: "j", node, run: run("j", node) });
  }
  const both = await split(original);
  succeed(both.winner, "n1");
  there(both.loser);
  return both;
}

function endAll(inventory: Inventory): void {
  succeed(inventory, "n3");
  giveUp(inventory);
}

function succeed(inventory: Inventory, node: string): void {
  inventory.ok(runFinish("j", node, finished(run("j", node))));
  inventory.ok(nodeFinish("j", node, { phase: "commissioned" }));
}

function giveUp(inventory: Inventory): void {
  inventory.ok(runFinish("j", "n1", finished(run("j", "n1"), { outcome: "lost" })));
  inventory.ok(nodeFinish("j", "n1", { status: "lost", phase: "failed" }));
  inventory.ok({ type: "job.finish", job: "j", status: "failed" });
}

it("keeps what this side did in a job that has ended there, also when the export comes in parts", async () => {
  const both = await halfDone(endAll);
  const whole = await copyOf(both.winner);
  mergeInto({ ...both, winner: whole });
  for (const bytes of pagesOfParts(both.loser, both.fork)) {
    both.winner.ok(pageCommand(bytes, both.fork, onLosingSide));
    checkInvariants(both.winner.view);
    assert.is(both.winner.view.job("j")?.nodes["n1"]?.status, "succeeded");
  }
  const { view } = both.winner;
  assert.is(view.job("j")?.nodes["n3"]?.status, "succeeded");
  assert.ok(
    view.journal().some(({ key }) => key === "job/j"),
    "the journal tells that both wrote it",
  );
  assert.is(view.job("j")?.status, whole.view.job("j")?.status);
  assert.equal(view.job("j")?.nodes, whole.view.job("j")?.nodes);
});

it("keeps it also when a longer export of the same generation brings the job once more", async () => {
  const both = await halfDone((loser) => succeed(loser, "n3"));
  mergeInto(both);
  giveUp(both.loser);
  mergeInto(both);
  const { view } = both.winner;
  checkInvariants(view);
  assert.is(view.job("j")?.nodes["n1"]?.status, "succeeded");
  assert.is(view.job("j")?.nodes["n3"]?.status, "succeeded");
  const entry = view.journal().find(({ key }) => key === "job/j");
  assert.is((entry?.loserValue as { status?: string } | null)?.status, "failed", "the newest");
});

it("brings with the nodes live jobs and those of the common past; what was made and ended since can wait", async () => {
  const { loser, fork } = await halfDone(endAll);
  commission(loser, "new", "n2");
  loser.ok(jobCreate("live", "verify", ["n2"]));
  const hangs = hangingTogether(loser.machine.image(), fork);
  const together = loser.machine
    .image()
    .filter((record) => record.key.startsWith("job/") && hangs(record));
  assert.equal(
    together.map(({ key }) => key),
    ["job/j", "job/live"],
  );
});

it("brings with the nodes a job that came by a merge: both sides may have it from there", async () => {
  const both = await split(cluster("n1", "n2", "n3"));
  const copy = await copyOf(both.winner);
  commission(both.loser, "elsewhere", "n3");
  mergeInto(both);
  const hangs = hangingTogether(both.winner.machine.image(), copy.machine.appliedIndex);
  const job = both.winner.machine.image().find(({ key }) => key === "job/elsewhere");
  assert.ok(job);
  assert.ok(hangs(job));
});

it.run();
