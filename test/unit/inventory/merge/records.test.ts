/** One case per kind of record: what is taken, what stays, what the journal says, and what an operator can do. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Command } from "../../../../src/inventory/commands.ts";
import { type JournalRecord } from "../../../../src/inventory/lineage-records.ts";
import { checkInvariants } from "../../../support/inventory-invariants.ts";
import {
  admit,
  cluster,
  finished,
  type Inventory,
  jobCreate,
  nodeFinish,
  peer,
  run,
  runFinish,
  setRevision,
  tokenCreate,
} from "../../../support/inventory.ts";
import { loserGeneration, mergeInto, split, type Split } from "../../../support/merge.ts";

const it = suite("inventory merge: records");

async function world(prepare: (original: Inventory) => void = () => undefined): Promise<Split> {
  const original = cluster("n1", "n2", "n3");
  prepare(original);
  return split(original);
}

const put = (key: string, value: string | number): Command => ({ type: "var.put", key, value });
const patch = (node: string, parts: object): Command => ({ type: "node.patch", node, ...parts });

function merged(both: Split): Inventory {
  mergeInto(both);
  checkInvariants(both.winner.view);
  return both.winner;
}

function conflict({ view }: Inventory, key: string): JournalRecord {
  const found = view.journal().find((entry) => entry.key === key);
  assert.ok(found, `conflict about ${key}`);
  return found;
}

const decide = (type: "journal.apply" | "journal.discard", key: string): Command => ({
  type,
  generation: loserGeneration.id,
  key,
});

it("takes what only the other side wrote, and keeps what only this one did", async () => {
  const both = await world((all) => all.ok(put("both", 1)));
  both.loser.ok(put("theirs", 2));
  both.winner.ok(put("ours", 3));
  const { view } = merged(both);
  assert.equal(
    view.variables().map(({ key, value }) => [key, value]),
    [
      ["both", 1],
      ["ours", 3],
      ["theirs", 2],
    ],
  );
  assert.equal(view.journal(), []);
});

it("keeps this side's value where both wrote, and the other's for an operator", async () => {
  const both = await world((all) => all.ok(put("a", 1)));
  both.winner.ok(put("a", 2));
  both.loser.ok(put("a", 3));
  const winner = merged(both);
  assert.is(winner.view.variable("a")?.value, 2);
  const entry = conflict(winner, "var/a");
  assert.is(entry.resolution, "pending");
  assert.equal(entry.loserValue, { key: "a", value: 3 });
  assert.equal(entry.winnerValue, { key: "a", value: 2 });
  winner.ok(decide("journal.apply", "var/a"));
  assert.is(winner.view.variable("a")?.value, 3);
  assert.is(conflict(winner, "var/a").resolution, "applied");
  winner.ok(decide("journal.apply", "var/a"));
  winner.refused(decide("journal.discard", "var/a"), "ILLEGAL_MOVE");
});

it("does not write over what was written since the merge", async () => {
  const both = await world((all) => all.ok(put("a", 1)));
  both.winner.ok(put("a", 2));
  both.loser.ok(put("a", 3));
  const winner = merged(both);
  winner.ok(put("a", 4));
  const refusal = winner.refused(decide("journal.apply", "var/a"), "CONFLICT");
  assert.is(refusal.details["current"], winner.view.variable("a")?.version);
  winner.ok(decide("journal.discard", "var/a"));
  assert.is(winner.view.variable("a")?.value, 4);
  assert.equal(winner.eventsAfter(winner.machine.appliedIndex - 1), [
    `conflict.discarded conflict/${conflict(winner, "var/a").id}`,
  ]);
});

it("tells a deletion here from something made there, and the other way round", async () => {
  const both = await world((all) => {
    for (const key of ["goneHere", "goneThere", "goneHereWrittenThere"]) all.ok(put(key, 1));
  });
  both.winner.ok({ type: "var.delete", key: "goneHere" });
  both.winner.ok({ type: "var.delete", key: "goneHereWrittenThere" });
  both.loser.ok({ type: "var.delete", key: "goneThere" });
  both.loser.ok(put("goneHereWrittenThere", 2));
  both.loser.ok(put("madeThere", 3));
  const winner = merged(both);
  assert.equal(
    winner.view.variables().map(({ key }) => key),
    ["madeThere"],
  );
  assert.is(conflict(winner, "var/goneHereWrittenThere").winnerValue, null);
  winner.ok(decide("journal.apply", "var/goneHereWrittenThere"));
  assert.is(winner.view.variable("goneHereWrittenThere")?.value, 2);
});

it("merges labels key by key", async () => {
  const both = await world((all) => all.ok(patch("n1", { labels: { a: "1", b: "1", c: "1" } })));
  both.winner.ok(patch("n1", { labels: { a: "2", d: "here" } }));
  both.loser.ok(patch("n1", { labels: { b: null, c: "there" } }));
  const winner = merged(both);
  assert.equal(winner.view.labels("n1").labels, { a: "2", c: "there", d: "here" });
  assert.equal(winner.view.journal(), []);
});

it("asks about a label that both sides changed", async () => {
  const both = await world((all) => all.ok(patch("n1", { labels: { a: "1" } })));
  both.winner.ok(patch("n1", { labels: { a: "2" } }));
  both.loser.ok(patch("n1", { labels: { a: null } }));
  const winner = merged(both);
  assert.equal(winner.view.labels("n1").labels, { a: "2" });
  assert.equal(conflict(winner, "label/n1").loserValue, { labels: {} });
  winner.ok(decide("journal.apply", "label/n1"));
  assert.equal(winner.view.labels("n1").labels, {});
});

it("believes the side on which a machine was", async () => {
  const both = await world();
  const give = (inventory: Inventory, node: string): void => {
    inventory.ok(jobCreate(`j-${node}`, "decommission", [node], { force: true }));
    inventory.ok({
      type: "job.node.begin",
      job: `j-${node}`,
      node,
      phase: "decommissioning",
      roles: [],
    });
    inventory.ok(nodeFinish(`j-${node}`, node, { phase: "decommissioned" }));
    inventory.ok({ type: "job.finish", job: `j-${node}`, status: "succeeded" });
  };
  give(both.winner, "n3");
  both.loser.ok({ type: "node.reachability", changes: [{ id: peer("n1"), reachability: "left" }] });
  both.loser.ok(patch("n3", { labels: { kept: "1" } }));
  give(both.loser, "n1");
  const winner = merged(both);
  assert.is(winner.view.node("n1")?.phase, "discovered", "it was here, and nothing was done to it");
  assert.is(winner.view.node("n1")?.reachability, "reachable");
  assert.is(conflict(winner, "node/n1").resolution, "superseded");
  assert.is(winner.view.node("n3")?.phase, "decommissioned", "nobody there wrote it");
});

it("gives one name to one machine", async () => {
  const both = await world();
  both.winner.ok(admit("web", { id: peer("here"), name: "web" }));
  both.loser.ok(admit("web", { id: peer("there"), name: "web" }));
  both.loser.ok(patch("web", { roles: ["base"] }));
  const { view } = merged(both);
  assert.is(view.node("web")?.id, peer("here"));
  assert.is(view.node("web-2")?.id, peer("there"));
  assert.is(view.member(peer("there"))?.node, "web-2");
  assert.equal(view.spec("web-2").roles, ["base"]);
  assert.equal(view.spec("web").roles, []);
  for (const name of ["web", "web-2"]) {
    assert.is(view.node(name)?.conditions[0]?.type, "NameConflict", name);
  }
});

it("lets an eviction win, but not over a member that is alive here", async () => {
  const both = await world();
  both.winner.ok({
    type: "node.reachability",
    changes: [{ id: peer("n2"), reachability: "unreachable" }],
  });
  both.loser.ok({ type: "node.forget", node: "n2", force: true });
  both.loser.ok({ type: "node.forget", node: "n1", force: true });
  const winner = merged(both);
  assert.is(winner.view.node("n2"), null);
  assert.is(winner.view.member(peer("n2"))?.status, "evicted");
  assert.is(winner.view.member(peer("n1"))?.status, "admitted");
  assert.is(conflict(winner, `member/${peer("n1")}`).resolution, "pending");
  winner.ok(decide("journal.apply", `member/${peer("n1")}`));
  assert.is(winner.view.node("n1"), null);
});

it("keeps who was evicted here out, and what the other side wrote about it in the journal", async () => {
  const both = await world();
  both.winner.ok({ type: "node.forget", node: "n3", force: true });
  both.winner.ok(admit("n3", { id: peer("other"), name: "n3" }));
  both.loser.ok(patch("n3", { roles: ["web"] }));
  const { view } = merged(both);
  assert.is(view.node("n3")?.id, peer("other"), "another machine has the name");
  assert.equal(view.spec("n3").roles, []);
  assert.is(conflict(both.winner, "spec/n3").rule, "eviction-wins");
});

it("forbids with tokens what either side forbade", async () => {
  const both = await world((all) => {
    all.ok(tokenCreate({ id: "limited", uses: 3 }));
    all.ok(tokenCreate({ id: "revoked" }));
  });
  both.winner.ok(admit("a", { token: "limited" }));
  both.winner.ok({ type: "token.revoke", id: "revoked" });
  both.loser.ok(admit("b", { token: "limited" }));
  both.loser.ok(admit("c", { token: "revoked" }));
  const { view } = merged(both);
  assert.is(view.token("limited")?.usesLeft, 1);
  assert.equal(view.token("limited")?.usedBy, [peer("a"), peer("b")]);
  assert.type(view.token("revoked")?.revokedAt, "number");
  assert.is(view.node("c")?.id, peer("c"), "it was let in before anybody there knew");
});

it("takes the configuration's source only from who set it", async () => {
  const both = await world();
  setRevision(both.winner, "r-here");
  both.loser.ok({ type: "config.source", source: { url: "other", ref: null } });
  const { view } = merged(both);
  assert.is(view.config().source?.url, "other");
  assert.is(
    view.config().current,
    "r-here",
    "the last good revision stays until the next is fetched",
  );
  assert.ok(view.config().refreshRequested > view.config().refreshDone);
});

function begin(inventory: Inventory, job: string, node: string): void {
  inventory.ok({ type: "job.node.begin", job, node, phase: "commissioning", roles: ["web"] });
  inventory.ok({ type: "run.begin", job, node, run: run(job, node) });
}

it("lets a job go on whose machines were all on the other side", async () => {
  const both = await world();
  both.loser.ok(jobCreate("jt", "commission", ["n3"]));
  begin(both.loser, "jt", "n3");
  const winner = merged(both);
  assert.is(winner.view.node("n3")?.job, "jt");
  assert.is(winner.view.node("n3")?.phase, "commissioning");
  winner.ok(runFinish("jt", "n3", finished(run("jt", "n3"))));
  winner.ok(nodeFinish("jt", "n3", { phase: "commissioned", appliedRoles: ["web"] }));
  winner.ok({ type: "job.finish", job: "jt", status: "succeeded" });
});

it("ends the rest of a job that has machines of both sides", async () => {
  const both = await world();
  both.loser.ok(jobCreate("jt", "commission", ["n2", "n3"]));
  begin(both.loser, "jt", "n3");
  const { view } = merged(both);
  const job = view.job("jt");
  assert.is(job?.status, "cancelled");
  assert.match(job?.nodes["n3"]?.message ?? "", /ended by the merge/);
  assert.is(job?.nodes["n3"]?.status, "cancelled");
  assert.is(view.ledgerEntry("n3", run("jt", "n3").id)?.outcome, "cancelled");
  assert.is(view.node("n3")?.phase, "failed");
  assert.is(view.node("n3")?.job, null);
  assert.is(view.node("n2")?.job, null);
});

it("puts one job together from what each side knows of its own machines", async () => {
  const both = await world((all) => {
    all.ok(jobCreate("j", "commission", ["n1", "n3"]));
    begin(all, "j", "n1");
    begin(all, "j", "n3");
  });
  const end = (inventory: Inventory, node: string, lost: string): void => {
    for (const [name, outcome] of [
      [node, "succeeded"],
      [lost, "lost"],
    ] as const) {
      inventory.ok(runFinish("j", name, finished(run("j", name), { outcome })));
      const phase = outcome === "lost" ? "failed" : "commissioned";
      inventory.ok(nodeFinish("j", name, { status: outcome, phase }));
    }
    inventory.ok({ type: "job.finish", job: "j", status: "failed" });
  };
  end(both.winner, "n1", "n3");
  end(both.loser, "n3", "n1");
  const { view } = merged(both);
  assert.is(view.job("j")?.status, "succeeded");
  assert.is(view.node("n1")?.phase, "commissioned");
  assert.is(view.node("n3")?.phase, "commissioned");
  assert.is(view.ledgerEntry("n3", run("j", "n3").id)?.outcome, "succeeded");
  assert.is(view.ledgerEntry("n1", run("j", "n1").id)?.outcome, "succeeded");
});

it("answers a retry on this side as the other side answered the first", async () => {
  const both = await world();
  const idempotency = { key: "k", digest: "d" };
  const origin = { agent: peer("n3"), boot: "7", seq: 4, acked: 3 };
  both.loser.ok(put("once", 1), { idempotency });
  both.loser.ok(put("asked", 1), { origin });
  const winner = merged(both);
  winner.ok(put("once", 2));
  winner.ok(put("asked", 2));
  assert.ok(winner.send(put("once", 1), { idempotency }).ok);
  assert.ok(winner.send(put("asked", 1), { origin }).ok);
  assert.is(winner.view.variable("once")?.value, 2);
  assert.is(winner.view.variable("asked")?.value, 2);
});

it("puts the other side's events where readers that follow find them", async () => {
  const both = await world();
  both.loser.ok(put("theirs", 1));
  both.winner.ok(put("ours", 1));
  const seen = both.winner.machine.appliedIndex;
  const { view } = merged(both);
  const news = view.events(seen, 1000);
  const event = news.find(({ subject }) => subject === "var/theirs");
  assert.is(event?.data["generation"], loserGeneration.id);
  assert.is(event?.data["originalIndex"], both.fork + 1);
  assert.equal(
    news.filter(({ subject }) => subject.startsWith("generation/")).map(({ type }) => type),
    ["merge.begun", "merge.done"],
  );
  const [merge] = view.merges();
  assert.is(merge?.counts.events, 1);
  assert.is(merge?.counts.applied, 1);
  assert.is(merge?.through, both.loser.machine.appliedIndex);
});

it("remembers forced generations, and when they were whole again", () => {
  const inventory = cluster("n1", "n2");
  const generation = {
    ...{ n: 2, id: "cd".repeat(16), parent: "ef".repeat(16), kind: "forced-auto" as const },
    ...{ forkIndex: 3, forkTerm: 1, forkChain: "aa", legitCommit: 3, outlived: true },
    ...{ members: [peer("n1")], coordinator: peer("n1"), lost: [peer("n2")] },
    ...{ missingAtMost: 2, at: 5 },
  };
  const evidence = [{ node: peer("n2"), silentMs: 30_000, proof: null }];
  const begin = { type: "generation.begin", generation, evidence } as const;
  assert.equal(
    inventory.eventsOf(() => inventory.ok(begin)),
    [`generation.forced generation/${generation.id}`],
  );
  const before = inventory.machine.hash();
  inventory.ok(begin);
  assert.is(inventory.machine.hash(), before);
  assert.is(inventory.view.generation(generation.id)?.settledAt, null);
  const settle = { type: "generation.settled", id: generation.id, reason: "n2 is back" } as const;
  assert.equal(
    inventory.eventsOf(() => inventory.ok(settle)),
    [`generation.settled generation/${generation.id}`],
  );
  inventory.refused({ ...settle, id: "00".repeat(16) }, "NOT_FOUND");
});

it.run();
