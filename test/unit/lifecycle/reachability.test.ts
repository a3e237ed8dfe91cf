import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MemberStatus, type MemberView } from "../../../src/gossip/ports.ts";
import { type NodeRecord } from "../../../src/inventory/records.ts";
import { ReachabilityPolicy } from "../../../src/lifecycle/reachability.ts";
import { ReachabilityReporter } from "../../../src/lifecycle/reachability-reporter.ts";
import { type PeerId } from "../../../src/base/ids.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { Replica } from "../../support/replica.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { memberView } from "../../support/member-view.ts";

const it = suite("lifecycle: reachability");

/** A leader's view of a fleet, whose changes come into force as soon as they are proposed. */
class Fleet {
  readonly policy = new ReachabilityPolicy();
  readonly members = new Map<PeerId, MemberView>();
  readonly nodes = new Map<PeerId, NodeRecord>();
  readonly changes: string[] = [];
  uncertain: string | null = null;
  healthScore = 0;
  now = 0;

  constructor(names: readonly string[]) {
    const { view } = cluster(...names);
    for (const node of view.nodes()) {
      this.nodes.set(node.id, node);
      this.set(node.name, "alive", { address: node.address });
    }
    this.policy.setLeaderSince(0);
    this.run(60_000);
  }

  set(name: string, status: MemberStatus, parts: { readonly address?: string } = {}): void {
    const before = this.members.get(peer(name));
    const address = parts.address ?? before?.address ?? "";
    const member = memberView({ id: peer(name), name, address, status, since: this.now });
    this.members.set(member.id, member);
    this.policy.note({ kind: status, member }, this.now);
  }

  run(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (; this.now < end; this.now += 100) {
      const plan = this.policy.plan({
        now: this.now,
        nodes: [...this.nodes.values()],
        member: (id) => this.members.get(id) ?? null,
        healthScore: this.healthScore,
      });
      this.uncertain = plan.uncertain;
      for (const change of plan.changes) {
        const node = this.nodes.get(change.id);
        if (node !== undefined) this.nodes.set(change.id, { ...node, ...change });
        this.changes.push(`${this.now} ${node?.name ?? "?"} ${change.reachability}`);
      }
    }
  }

  take(): readonly string[] {
    return this.changes.splice(0);
  }
}

it("a failure counts after it held, a return at once", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.set("n2", "failed");
  fleet.run(4900);
  assert.equal(fleet.take(), []);
  fleet.run(200);
  assert.equal(fleet.take(), ["65000 n2 unreachable"]);
  fleet.set("n2", "alive");
  fleet.run(100);
  assert.equal(fleet.take(), ["65100 n2 reachable"]);
});

it("a suspicion, or a failure that is refuted in time, changes nothing", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.set("n2", "suspect");
  fleet.run(30_000);
  fleet.set("n2", "failed");
  fleet.run(3000);
  fleet.set("n2", "alive");
  fleet.run(30_000);
  assert.equal(fleet.take(), []);
});

it("a good-bye counts at once", () => {
  const fleet = new Fleet(["n1", "n2"]);
  fleet.set("n2", "left");
  fleet.run(100);
  assert.equal(fleet.take(), ["60000 n2 left"]);
  fleet.set("n2", "failed");
  fleet.run(60_000);
  assert.equal(fleet.take(), []);
});

it("a new address is followed at once", () => {
  const fleet = new Fleet(["n1", "n2"]);
  fleet.set("n2", "alive", { address: "10.9.9.9:7700" });
  fleet.run(200);
  assert.equal(fleet.take(), ["60000 n2 reachable"]);
  assert.is(fleet.nodes.get(peer("n2"))?.address, "10.9.9.9:7700");
});

it("a new leader settles before it calls anybody lost", () => {
  const fleet = new Fleet(["n1", "n2"]);
  fleet.policy.setLeaderSince(null);
  fleet.set("n2", "failed");
  fleet.run(60_000);
  assert.equal(fleet.take(), []);
  fleet.policy.setLeaderSince(fleet.now);
  fleet.run(4900);
  assert.equal(fleet.take(), []);
  fleet.run(200);
  assert.equal(fleet.take(), ["125000 n2 unreachable"]);
});

it("a node that gossip never saw is lost after the grace time", () => {
  const fleet = new Fleet(["n1", "n2"]);
  fleet.members.delete(peer("n2"));
  fleet.policy.setLeaderSince(fleet.now);
  fleet.run(19_900);
  assert.equal(fleet.take(), []);
  fleet.run(200);
  assert.equal(fleet.take(), ["80000 n2 unreachable"]);
});

it("a loss waits while others are newly in trouble, so that they go together", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.set("n2", "failed");
  fleet.run(4000);
  fleet.set("n3", "suspect");
  fleet.run(1900);
  assert.equal(fleet.take(), []);
  fleet.run(200);
  assert.equal(fleet.take(), ["66000 n2 unreachable"]);
});

it("a loss does not wait for ever on the troubles of others", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.set("n2", "failed");
  for (let second = 0; second < 30; second += 1) {
    fleet.set("n3", "suspect");
    fleet.run(1000);
  }
  assert.equal(fleet.take(), ["80000 n2 unreachable"]);
});

it("two of three nodes lost are reported: the guard is for fleets", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.set("n2", "failed");
  fleet.set("n3", "failed");
  fleet.run(6000);
  assert.is(fleet.take().length, 2);
});

it("half a fleet lost at once is held back, said so, and reported when it lasts", () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  for (const name of names.slice(6)) fleet.set(name, "failed");
  fleet.run(50_000);
  assert.equal(fleet.take(), []);
  assert.match(fleet.uncertain ?? "", /6 of 12 nodes failed together/);
  fleet.run(15_000);
  assert.is(fleet.take().length, 6);
  assert.is(fleet.uncertain, null);
});

it("a leader in poor health holds its tongue longer", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.healthScore = 5;
  fleet.set("n2", "failed");
  fleet.run(50_000);
  assert.equal(fleet.take(), []);
  assert.match(fleet.uncertain ?? "", /health is poor/);
  fleet.run(15_000);
  assert.is(fleet.take().length, 1);
});

it("a node that flaps is reported at most twice in three cycles", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  for (let cycle = 0; cycle < 3; cycle += 1) {
    fleet.run(11_000);
    fleet.set("n2", "failed");
    fleet.run(9000);
    fleet.set("n2", "alive");
    fleet.run(20_000);
  }
  assert.ok(fleet.changes.length <= 2, fleet.changes.join("; "));
});

it("a flap is forgotten after a calm time", () => {
  const fleet = new Fleet(["n1", "n2"]);
  for (let cycle = 0; cycle < 6; cycle += 1) {
    fleet.set("n2", "failed");
    fleet.run(1000);
    fleet.set("n2", "alive");
    fleet.run(1000);
  }
  fleet.run(601_000);
  fleet.set("n2", "failed");
  fleet.run(5200);
  assert.is(fleet.take().length, 1);
});

it("one entry carries at most 512 changes, and the rest follows", () => {
  const policy = new ReachabilityPolicy();
  policy.setLeaderSince(0);
  const [node] = cluster("n1").view.nodes();
  assert.ok(node);
  const nodes = Array.from({ length: 600 }, (_, i) => ({
    ...node,
    name: `m${i}`,
    id: peer(`m${i}`),
    reachability: "unreachable" as const,
  }));
  const alive = (id: PeerId): MemberView => memberView({ id, name: "m", address: "" });
  const plan = policy.plan({ now: 1, nodes, member: alive, healthScore: 0 });
  assert.is(plan.changes.length, 512);
  assert.is(plan.wakeAt, 1);
});

it("only the leader reports, one entry per interval", async () => {
  const clock = new VirtualClock();
  const replica = new Replica(cluster("n1", "n2", "n3"), clock);
  replica.isLeader = false;
  const status = new Map<string, MemberStatus>();
  const reporter = new ReachabilityReporter(
    { policy: { settleMs: 0 }, intervalMs: 1000 },
    {
      ...replica.deps,
      gossip: {
        member: (id) =>
          memberView({
            id,
            name: id,
            address: replica.inventory.view.nodeById(id)?.address ?? "",
            status: status.get(id) ?? "alive",
          }),
        onEvent: () => () => {},
        health: () => ({ score: 0, degraded: false, queue: 0, members: 3 }),
      },
    },
  );
  await reporter.start();
  status.set(peer("n2"), "left");
  await clock.advance(10_000);
  assert.equal(replica.types(), []);
  replica.lead(true);
  await clock.advance(100);
  assert.equal(replica.types(), ["node.reachability"]);
  assert.is(replica.inventory.view.node("n2")?.reachability, "left");
  status.set(peer("n2"), "alive");
  status.set(peer("n3"), "left");
  replica.notify();
  await clock.advance(500);
  assert.is(replica.types().length, 1);
  await clock.advance(600);
  assert.is(replica.types().length, 2);
  replica.lead(false);
  status.set(peer("n2"), "left");
  await clock.advance(20_000);
  assert.is(replica.types().length, 2);
  await reporter.stop();
});

it.run();
