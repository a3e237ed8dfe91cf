import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MemberStatus, type MemberView } from "../../../src/gossip/ports.ts";
import { type NodeRecord } from "../../../src/inventory/records.ts";
import { type Doubt } from "../../../src/lifecycle/leader-doubt.ts";
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
  doubt: Doubt | null = null;
  /** When the last plan wanted to be looked at again, from then. */
  wakesIn: number | null = null;
  healthScore = 0;
  viewAgrees = true;
  agreedAt: readonly number[] = [];
  asksOthers = false;
  /** Null: all members that are up, as in a small cluster. */
  neighbours: readonly string[] | null = null;
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
        neighbours: this.#ring(),
        viewAgrees: this.viewAgrees,
        agreedAt: this.agreedAt,
        othersUp: this.#up().length - 1,
      });
      this.asksOthers = plan.asksOthers;
      this.doubt = plan.doubt;
      this.wakesIn = plan.wakeAt === null ? null : plan.wakeAt - this.now;
      for (const change of plan.changes) {
        const node = this.nodes.get(change.id);
        if (node !== undefined) this.nodes.set(change.id, { ...node, ...change });
        this.changes.push(`${this.now} ${node?.name ?? "?"} ${change.reachability}`);
      }
    }
  }

  #ring(): readonly PeerId[] {
    if (this.neighbours !== null) return this.neighbours.map(peer);
    return this.#up().map(({ id }) => id);
  }

  #up(): readonly MemberView[] {
    return [...this.members.values()].filter(({ status }) => status === "alive");
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
  assert.is(fleet.doubt?.reason, "MassLoss");
  assert.match(fleet.doubt?.message ?? "", /6 of 12 nodes failed together, 6 of .* 12 neighbours/);
  fleet.run(15_000);
  assert.is(fleet.take().length, 6);
  assert.is(fleet.doubt, null);
});

it("a leader in poor health holds its tongue longer", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.healthScore = 5;
  fleet.set("n2", "failed");
  fleet.run(290_000);
  assert.equal(fleet.take(), []);
  assert.is(fleet.doubt?.reason, "LeaderUnwell");
  fleet.run(15_000);
  assert.is(fleet.take().length, 1, "not for ever: the doubt is chronic");
});

it("a leader in poor health reports what two others saw too, after the member had its time to deny it", () => {
  const fleet = new Fleet(["n1", "n2", "n3", "n4"]);
  fleet.healthScore = 7;
  fleet.set("n2", "failed");
  fleet.run(4900);
  assert.not(fleet.asksOthers, "before that time nobody's word would count");
  fleet.run(200);
  assert.ok(fleet.asksOthers);
  assert.is(fleet.wakesIn, 250);
  fleet.agreedAt = [64_999, 64_999, 65_050];
  fleet.run(1000);
  assert.equal(fleet.take(), [], "two were asked before, and one after");
  assert.is(fleet.doubt, null, "a doubt that others may end soon is not told");
  fleet.run(1500);
  assert.is(fleet.doubt?.reason, "LeaderUnwell");
  fleet.agreedAt = [65_050, 65_000];
  fleet.run(100);
  assert.equal(fleet.take(), ["67600 n2 unreachable"]);
  assert.is(fleet.doubt, null);
});

it("a leader in poor health needs the one other that is left, and with nobody left it waits", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.healthScore = 5;
  fleet.set("n2", "failed");
  fleet.run(5000);
  fleet.agreedAt = [fleet.now];
  fleet.run(200);
  assert.is(fleet.take().length, 1);
  fleet.set("n3", "failed");
  fleet.run(60_000);
  assert.equal(fleet.take(), []);
});

it("a node that flaps must stay away for longer, and others are asked after that", () => {
  const fleet = new Fleet(["n1", "n2", "n3", "n4"]);
  fleet.healthScore = 5;
  fleet.set("n2", "failed");
  fleet.run(10_000);
  fleet.set("n2", "alive");
  fleet.run(10_000);
  fleet.set("n2", "failed");
  fleet.run(20_000);
  fleet.agreedAt = [fleet.now, fleet.now];
  fleet.run(20_000);
  assert.equal(fleet.take(), [], "its outage lasted 10 s: it must last 30 s now");
  fleet.agreedAt = [fleet.now, fleet.now];
  fleet.run(100);
  assert.is(fleet.take().length, 1);
});

it("when half a fleet is lost at once, two others that see the same do not end the doubt", () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  fleet.healthScore = 5;
  for (const name of names.slice(6)) fleet.set(name, "failed");
  fleet.run(6000);
  fleet.agreedAt = [fleet.now, fleet.now];
  fleet.run(50_000);
  assert.equal(fleet.take(), []);
  fleet.run(10_000);
  assert.is(fleet.take().length, 6);
});

it("a leader that gets well reports at once what it held back", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.healthScore = 4;
  fleet.set("n2", "failed");
  fleet.run(20_000);
  assert.is(fleet.doubt?.reason, "LeaderUnwell");
  fleet.healthScore = 3;
  fleet.run(100);
  assert.equal(fleet.take(), ["80000 n2 unreachable"]);
  assert.is(fleet.doubt, null);
});

it("half a fleet that is none of the leader's own neighbours is believed: the leader's network is well", () => {
  const names = Array.from({ length: 40 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  fleet.neighbours = names.slice(0, 10);
  fleet.run(1000);
  for (const name of names.slice(8, 28)) fleet.set(name, "failed");
  fleet.run(6000);
  assert.is(fleet.take().length, 20, "2 of 10 neighbours");
});

it("counts the neighbours there were before the trouble, not those the overlay took since", () => {
  const names = Array.from({ length: 40 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  fleet.neighbours = names.slice(0, 10);
  fleet.run(1000);
  for (const name of names.slice(5, 25)) fleet.set(name, "failed");
  fleet.neighbours = [...names.slice(0, 5), ...names.slice(30, 35)];
  fleet.run(20_000);
  assert.equal(fleet.take(), []);
  assert.match(fleet.doubt?.message ?? "", /5 of the leader's 10 neighbours/);
});

it("many failures over a long time are no mass loss", () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  for (const name of names.slice(6)) {
    fleet.set(name, "failed");
    fleet.run(31_000);
    assert.is(fleet.doubt, null);
  }
  assert.is(fleet.take().length, 6);
});

it("a rack that is lost over some seconds is one entry", () => {
  const names = Array.from({ length: 30 }, (_, i) => `n${i + 1}`);
  const fleet = new Fleet(names);
  for (const name of names.slice(0, 8)) {
    fleet.set(name, "failed");
    fleet.run(1300);
  }
  fleet.run(20_000);
  const times = new Set(fleet.take().map((change) => change.split(" ")[0]));
  assert.is(times.size, 1, [...times].join(" "));
});

it("a node that flaps does not hold back the loss of others", () => {
  const fleet = new Fleet(["n1", "n2", "n3", "n4"]);
  for (let cycle = 0; cycle < 5; cycle += 1) {
    fleet.set("n2", "failed");
    fleet.run(1000);
    fleet.set("n2", "alive");
    fleet.run(1000);
  }
  fleet.set("n2", "failed");
  fleet.set("n3", "failed");
  fleet.run(5100);
  assert.equal(fleet.take(), ["75000 n3 unreachable"]);
});

it("a new leader whose view never agreed with another's waits for the longest suspicion", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  fleet.policy.setLeaderSince(null);
  fleet.set("n2", "failed");
  fleet.viewAgrees = false;
  fleet.policy.setLeaderSince(fleet.now);
  fleet.run(89_000);
  assert.equal(fleet.take(), []);
  assert.is(fleet.wakesIn, 1000, "no event tells that views agree");
  fleet.run(1100);
  assert.is(fleet.take().length, 1);
  fleet.policy.setLeaderSince(fleet.now);
  fleet.set("n3", "failed");
  fleet.run(30_000);
  assert.equal(fleet.take(), []);
  fleet.viewAgrees = true;
  fleet.run(100);
  assert.is(fleet.take().length, 1, "one agreement is enough");
});

it("a node that flaps is reported at most twice in three cycles", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  for (let cycle = 0; cycle < 3; cycle += 1) {
    fleet.run(6000);
    fleet.set("n2", "failed");
    fleet.run(14_000);
    fleet.set("n2", "alive");
    fleet.run(20_000);
  }
  assert.equal(fleet.changes, ["71000 n2 unreachable", "80000 n2 reachable"]);
  fleet.set("n2", "failed");
  fleet.run(80_000);
  assert.is(fleet.changes.length, 3, "lost for good, it is reported none the less");
});

it("a node that flaps is reported at most twice, though the same outage looks longer the next time", () => {
  const fleet = new Fleet(["n1", "n2", "n3"]);
  for (const outageMs of [6000, 17_000, 17_000]) {
    fleet.run(13_000);
    fleet.set("n2", "failed");
    fleet.run(outageMs);
    fleet.set("n2", "alive");
    fleet.run(20_000);
  }
  assert.is(fleet.changes.length, 2);
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
  const plan = policy.plan({
    now: 1,
    nodes,
    member: alive,
    healthScore: 0,
    neighbours: [],
    viewAgrees: true,
    agreedAt: [],
    othersUp: 599,
  });
  assert.is(plan.changes.length, 512);
  assert.is(plan.wakeAt, 1);
});

/** What gossip shows the reporter. */
class View {
  readonly status = new Map<string, MemberStatus>();
  score = 0;
  /** How often others were asked; with `othersAgree` they see the same. */
  asked = 0;
  othersAgree = false;
  readonly #replica: Replica;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  reporter(): ReachabilityReporter {
    const { deps, inventory } = this.#replica;
    const { clock } = deps;
    let agreedAt: readonly number[] = [];
    const policy = { settleMs: 0, holdMs: 1000, quietMs: 0 };
    return new ReachabilityReporter(
      { policy, intervalMs: 1000 },
      {
        ...deps,
        self: peer("n1"),
        gossip: {
          member: (id) => {
            const address = inventory.view.nodeById(id)?.address ?? "";
            const status = this.status.get(id) ?? "alive";
            return memberView({ id, name: id, address, status });
          },
          onEvent: () => () => {},
          neighbours: () => [],
          compareViews: () => {
            this.asked += 1;
            if (this.othersAgree) agreedAt = [clock.monotonicMs(), clock.monotonicMs()];
          },
          stats: () => ({
            convergence: { agrees: true, forMs: 0, lastTookMs: null, agreedAt },
            health: { score: this.score, degraded: false, queue: 0, members: 3 },
          }),
        },
      },
    );
  }
}

it("only the leader reports, one entry per interval", async () => {
  const clock = new VirtualClock();
  const replica = new Replica(cluster("n1", "n2", "n3"), clock);
  replica.isLeader = false;
  const view = new View(replica);
  const { status } = view;
  const reporter = view.reporter();
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

it("a doubt is written once as a condition of the leader's node, and taken back with the report", async () => {
  const clock = new VirtualClock();
  const replica = new Replica(cluster("n1", "n2", "n3"), clock);
  const view = new View(replica);
  const reporter = view.reporter();
  const conditions = (name: string): readonly string[] =>
    (replica.inventory.view.node(name)?.conditions ?? []).map(
      ({ type, status, reason }) => `${type} ${status} ${reason}`,
    );
  await reporter.start();
  replica.lead(true);
  view.score = 5;
  view.status.set(peer("n3"), "failed");
  await clock.advance(20_000);
  assert.equal(replica.types(), ["node.reachability"]);
  assert.equal(conditions("n1"), ["MembershipUncertain True LeaderUnwell"]);
  assert.is(replica.inventory.view.node("n3")?.reachability, "reachable");
  view.score = 0;
  await clock.advance(20_000);
  assert.is(replica.types().length, 2, "report and withdrawal are one entry");
  assert.equal(conditions("n1"), []);
  assert.is(replica.inventory.view.node("n3")?.reachability, "unreachable");
  await reporter.stop();
});

it("an unwell leader asks others once an interval, and reports without a word of doubt when they agree", async () => {
  const clock = new VirtualClock();
  const replica = new Replica(cluster("n1", "n2", "n3"), clock);
  const view = new View(replica);
  const reporter = view.reporter();
  await reporter.start();
  replica.lead(true);
  view.score = 7;
  view.status.set(peer("n3"), "failed");
  replica.notify();
  await clock.advance(10_000);
  assert.ok(view.asked >= 8 && view.asked <= 10, `asked ${view.asked} times in 9 s`);
  view.othersAgree = true;
  const asked = view.asked;
  await clock.advance(1500);
  assert.is(view.asked, asked + 1);
  assert.is(replica.inventory.view.node("n3")?.reachability, "unreachable");
  view.status.set(peer("n2"), "failed");
  replica.notify();
  await clock.advance(3000);
  assert.is(replica.inventory.view.node("n2")?.reachability, "unreachable");
  assert.is(
    replica.types().length,
    3,
    "the doubt, the first loss with the end of the doubt, the second",
  );
  await reporter.stop();
});

it("a new leader takes back the doubt of the one before it", async () => {
  const clock = new VirtualClock();
  const inventory = cluster("n1", "n2", "n3");
  const cause = { reason: "MassLoss", message: "many" };
  inventory.ok({ type: "node.reachability", changes: [], doubt: { observer: peer("n2"), cause } });
  assert.is(inventory.view.node("n2")?.conditions[0]?.message, "many");
  const replica = new Replica(inventory, clock);
  const reporter = new View(replica).reporter();
  await reporter.start();
  replica.lead(true);
  await clock.advance(10_000);
  assert.equal(inventory.view.node("n2")?.conditions, []);
  assert.is(replica.types().length, 1);
  await reporter.stop();
});

it.run();
