import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  admit,
  cluster,
  commission,
  finished,
  jobCreate,
  nodeFinish,
  peer,
  run,
  runFinish,
} from "../../support/inventory.ts";

const it = suite("inventory forget");

function decommission(inventory: ReturnType<typeof cluster>, job: string, node: string): void {
  inventory.ok(jobCreate(job, "decommission", [node]));
  inventory.ok({ type: "job.node.begin", job, node, phase: "decommissioning", roles: [] });
  inventory.ok(nodeFinish(job, node, { phase: "decommissioned", revision: null }));
  inventory.ok({ type: "job.finish", job, status: "succeeded" });
}

it("forgets a decommissioned node and evicts its agent for ever", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok({ type: "node.patch", node: "n2", labels: { a: "1" }, roles: ["web"] });
  commission(inventory, "j1", "n2");
  decommission(inventory, "j2", "n2");
  const events = inventory.eventsOf(() =>
    inventory.ok({ type: "node.forget", node: "n2", force: false }),
  );
  assert.equal(events, [`member.evicted member/${peer("n2")}`, "node.forgotten node/n2"]);
  const { view } = inventory;
  assert.is(view.node("n2"), null);
  assert.is(view.nodeById(peer("n2")), null);
  assert.equal(view.spec("n2").roles, []);
  assert.equal(view.labels("n2").labels, {});
  assert.is(view.member(peer("n2"))?.status, "evicted");
  inventory.refused(admit("n2"), "MEMBER_EVICTED");
});

it("forgets other nodes only by force", () => {
  const inventory = cluster("n1", "n2");
  const forget = { type: "node.forget", node: "n2" } as const;
  const refusal = inventory.refused({ ...forget, force: false }, "ILLEGAL_MOVE");
  assert.is(refusal.details["phase"], "discovered");
  assert.match(refusal.message, /it is discovered; use force/);
  inventory.refused({ ...forget, force: true, ifVersion: 1 }, "VERSION_MISMATCH");
  inventory.refused({ ...forget, force: true, node: "none" }, "NOT_FOUND");
  inventory.ok({ ...forget, force: true });
});

it("never forgets the last member", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  inventory.refused({ type: "node.forget", node: "n1", force: true }, "CONFLICT");
});

it("forgets a held node only by force; its job goes on with the node lost and the run in the ledger", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1", "n2"]));
  const begin = { job: "j1", node: "n2", phase: "commissioning", roles: [] } as const;
  inventory.ok({ type: "job.node.begin", ...begin });
  inventory.ok({ type: "run.begin", job: "j1", node: "n2", run: run("j1", "n2") });
  inventory.refused({ type: "node.forget", node: "n2", force: false }, "NODE_HELD");
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const work = inventory.view.job("j1")?.nodes["n2"];
  assert.is(work?.status, "lost");
  assert.is(work?.current, null);
  assert.equal(
    work?.runs.map(({ outcome }) => outcome),
    ["lost"],
  );
  assert.is(inventory.view.ledger("n2")[0]?.outcome, "lost");
  const late = inventory.ok(runFinish("j1", "n2", finished(run("j1", "n2"))));
  assert.is((late as { outcome: string }).outcome, "lost", "the first result of a run wins");
  inventory.refused({ type: "job.finish", job: "j1", status: "succeeded" }, "ILLEGAL_MOVE");
  inventory.ok({ type: "job.finish", job: "j1", status: "failed" });
  assert.is(inventory.view.node("n1")?.job, null);
});

it("marks a forgotten node lost in jobs that wait for it, too", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  inventory.ok(jobCreate("j2", "commission", ["n1", "n2"]));
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  assert.is(inventory.view.job("j2")?.nodes["n2"]?.status, "lost");
});

it("keeps history and ledger of a forgotten node, until another machine takes the name", () => {
  const inventory = cluster("n1", "n2");
  commission(inventory, "j1", "n2");
  inventory.ok({ type: "node.forget", node: "n2", force: true }, { by: "token:ops" });
  const last = inventory.view.history("n2").at(-1);
  assert.equal([last?.to, last?.by], ["forgotten", "token:ops"]);
  assert.is(inventory.view.ledger("n2").length, 1);
  inventory.ok(admit("n2", { id: peer("reinstalled") }));
  assert.equal(inventory.view.ledger("n2"), [], "another machine has another ledger");
  assert.is(inventory.view.nodeById(peer("n2")), null, "and is not the one that was forgotten");
  assert.is(inventory.view.history("n2").at(-1)?.kind, "discovered");
  assert.ok(inventory.view.history("n2").some(({ to }) => to === "forgotten"));
});

it("keeps the traces of the newest forgotten nodes only", () => {
  const inventory = cluster("n1");
  for (let i = 0; i < 66; i += 1) {
    inventory.ok(admit(`x${i}`));
    inventory.ok({ type: "node.forget", node: `x${i}`, force: true });
  }
  assert.is(inventory.view.history("x0").length, 0);
  assert.is(inventory.view.history("x1").length, 0);
  assert.is(inventory.view.history("x2").length, 2);
  assert.is(inventory.view.member(peer("x0"))?.status, "evicted", "the tombstone stays");
});

it.run();
