/** The small services between the replica and the rest, on an inventory and virtual time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BundlePrefetch } from "../../../src/agent/bundle-prefetch.ts";
import { FactsReporter } from "../../../src/agent/facts-reporter.ts";
import { leadershipOf } from "../../../src/agent/leadership.ts";
import { MemberWatch } from "../../../src/agent/member-watch.ts";
import { transcriptHolders } from "../../../src/agent/transcript-holders.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { type ConsensusStatus, leads } from "../../../src/consensus/driver/api.ts";
import { type Command, type CommandResult } from "../../../src/inventory/commands.ts";
import { type Facts } from "../../../src/inventory/records.ts";
import {
  admit,
  cluster,
  facts,
  finished,
  type Inventory,
  jobCreate,
  peer,
  run,
  runFinish,
  setRevision,
} from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent services");

class WatchBench {
  readonly did: string[] = [];
  readonly addresses = new Map<PeerId, string>();
  readonly clock = new VirtualClock();
  readonly connected: readonly PeerId[] = [peer("n2"), peer("n3")];
  readonly heard = new Set<PeerId>();
  /** Members that gossip says are up, this agent among them. */
  up = 1;
  readonly watch: MemberWatch;

  constructor(inventory: Inventory, self: PeerId) {
    const note = (text: string): void => void this.did.push(text);
    this.watch = new MemberWatch({
      self,
      stateMachine: inventory.machine,
      host: {
        addressesOf: (id) => [this.addresses.get(id) ?? []].flat(),
        setAddress: (id, address) => {
          this.addresses.set(id, address);
          note(`address ${id}`);
        },
        enforceAdmission: (isSpared) => {
          for (const id of this.connected) if (isSpared?.(id) !== true) note(`looks at ${id}`);
        },
      },
      gossip: {
        evict: (id) => note(`evict ${id}`),
        member: (id) => (this.heard.has(id) ? memberView({ name: id }) : null),
        health: () => ({ score: 0, degraded: false, queue: 0, members: this.up }),
        contact: ([one]) => note(`contact ${one?.id ?? ""}`),
      },
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
      onEvicted: () => note("evicted"),
    });
  }

  take(): string[] {
    return this.did.splice(0);
  }
}

async function watching(inventory: Inventory, self: PeerId): Promise<WatchBench> {
  const bench = new WatchBench(inventory, self);
  await bench.watch.start();
  await bench.clock.advance(0);
  return bench;
}

it("introduces every other member to mesh and gossip at the start, and newcomers to the mesh at once", async () => {
  const inventory = cluster("n1", "n2");
  const bench = await watching(inventory, peer("n1"));
  const introduced = [`address ${peer("n2")}`, `contact ${peer("n2")}`];
  assert.equal(bench.take().slice(0, 2), introduced);
  inventory.ok(admit("n3"));
  const did = bench.take();
  assert.ok(did.includes(`address ${peer("n3")}`), "without waiting for the next round");
  assert.not.ok(did.includes(`contact ${peer("n3")}`), "it asks the others itself");
  await bench.watch.stop();
});

it("asks a newcomer only when gossip has not heard of it some seconds later", async () => {
  const inventory = cluster("n1", "n2");
  const bench = await watching(inventory, peer("n1"));
  inventory.ok(admit("n3"));
  inventory.ok(admit("n4"));
  bench.heard.add(peer("n3"));
  await bench.clock.advance(4_999);
  assert.not.ok(bench.take().includes(`contact ${peer("n4")}`));
  await bench.clock.advance(25_000);
  const did = bench.take();
  assert.ok(did.includes(`contact ${peer("n4")}`));
  assert.not.ok(did.includes(`contact ${peer("n3")}`));
  await bench.watch.stop();
});

it("refuses an evicted member everywhere, and does not take that for its own eviction", async () => {
  const inventory = cluster("n1", "n2", "n3");
  const bench = await watching(inventory, peer("n1"));
  bench.take();
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const did = bench.take();
  assert.ok(did.includes(`evict ${peer("n2")}`));
  assert.not.ok(
    did.includes(`looks at ${peer("n2")}`),
    "its streams go on: it learns what happened",
  );
  assert.ok(did.includes(`looks at ${peer("n3")}`));
  assert.not.ok(did.includes("evicted"));
  await bench.clock.advance(1000);
  assert.ok(bench.take().includes(`looks at ${peer("n2")}`), "a second later it is hung up on");
  assert.not.ok(did.includes(`contact ${peer("n2")}`));
  await bench.clock.advance(60_000);
  const later = bench.take();
  assert.not.ok(later.includes(`evict ${peer("n2")}`), "once");
  const looks = later.filter((text) => text === `looks at ${peer("n2")}`).length;
  assert.is(looks, 6, "with each round, and no time of parting begins again");
  await bench.watch.stop();
});

it("leaves the address alone that the mesh knows a member by: it may be newer than the inventory's", async () => {
  const inventory = cluster("n1", "n2");
  const bench = await watching(inventory, peer("n1"));
  bench.take();
  bench.addresses.set(peer("n2"), "10.0.0.99:7700");
  await bench.clock.advance(30_000);
  assert.not.ok(bench.take().includes(`address ${peer("n2")}`));
  await bench.watch.stop();
});

it("says so when this very agent is evicted, and evicts nobody", async () => {
  const inventory = cluster("n1", "n2");
  const bench = await watching(inventory, peer("n2"));
  bench.take();
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const did = bench.take();
  assert.ok(did.includes("evicted"));
  assert.not.ok(did.some((text) => text.startsWith("evict ") || text.startsWith("disconnect")));
  await bench.watch.stop();
});

it("looks at all members now and then, as a restored snapshot brings no events; not after its end", async () => {
  const inventory = cluster("n1", "n2");
  const bench = await watching(inventory, peer("n1"));
  bench.take();
  bench.addresses.clear();
  await bench.clock.advance(10_000);
  assert.ok(bench.take().includes(`address ${peer("n2")}`));
  await bench.watch.stop();
  inventory.ok(admit("n3"));
  await bench.clock.advance(60_000);
  assert.equal(bench.take(), []);
});

class ReporterBench {
  readonly clock = new VirtualClock();
  readonly inventory: Inventory;
  readonly sent: Command[] = [];
  found: Facts = facts;
  address = "10.0.0.1:7700";
  fails: Error | null = null;
  readonly reporter: FactsReporter;

  constructor(inventory: Inventory, self: PeerId) {
    this.inventory = inventory;
    this.reporter = new FactsReporter({
      self,
      view: inventory.view,
      clock: this.clock,
      logger: silentLogger,
      gather: async () => this.found,
      address: () => this.address,
      submit: (command) => this.#submit(command),
    });
  }

  async #submit(command: Command): Promise<CommandResult> {
    if (this.fails !== null) throw this.fails;
    this.sent.push(command);
    return this.inventory.send(command);
  }
}

it("writes facts at the start and when they or the address change, never otherwise", async () => {
  const bench = new ReporterBench(cluster("n1"), peer("n1"));
  await bench.reporter.start();
  await bench.clock.advance(1000);
  assert.is(bench.sent.length, 1);
  await bench.clock.advance(1_000_000);
  assert.is(bench.sent.length, 1, "nothing changed");
  bench.found = { ...facts, kernel: "6.2" };
  await bench.clock.advance(300_000);
  assert.is(bench.sent.length, 2);
  assert.is(bench.inventory.view.node("n1")?.facts?.kernel, "6.2");
  bench.address = "10.0.0.2:7700";
  await bench.clock.advance(300_000);
  assert.is(bench.sent.length, 3);
  assert.is(bench.inventory.view.node("n1")?.address, "10.0.0.2:7700");
  await bench.reporter.stop();
});

it("tries again soon while there is no leader, and while its node is not in the replica yet", async () => {
  const inventory = cluster("n1");
  const bench = new ReporterBench(inventory, peer("n2"));
  await bench.reporter.start();
  await bench.clock.advance(5000);
  assert.is(bench.sent.length, 0);
  bench.fails = new AgentError("NO_LEADER", "electing");
  inventory.ok(admit("n2"));
  await bench.clock.advance(5000);
  assert.is(bench.sent.length, 0);
  bench.fails = null;
  await bench.clock.advance(1000);
  assert.is(bench.sent.length, 1);
  await bench.reporter.stop();
});

class PrefetchBench {
  readonly clock = new VirtualClock();
  readonly inventory = cluster("n1");
  readonly fetched: string[] = [];
  fails = 0;
  readonly prefetch = new BundlePrefetch({
    stateMachine: this.inventory.machine,
    ensureBundle: async ({ sha256, sizeBytes }) => {
      this.fetched.push(`${sha256.slice(0, 2)} ${sizeBytes}`);
      this.fails -= 1;
      if (this.fails >= 0) throw new AgentError("NOT_FOUND", "nobody has it");
    },
    clock: this.clock,
    logger: silentLogger,
    random: seededRandom(1),
  });
}

it("fetches the bundle in force once, within two seconds, and again until it is there", async () => {
  const bench = new PrefetchBench();
  bench.fails = 2;
  await bench.prefetch.start();
  await bench.clock.advance(2000);
  assert.equal(bench.fetched, ["00 1000"]);
  await bench.clock.advance(60_000);
  assert.is(bench.fetched.length, 3, "two failures, then it is there");
  bench.inventory.ok(admit("n5"));
  await bench.clock.advance(60_000);
  assert.is(bench.fetched.length, 3, "other changes are none of its business");
  await bench.prefetch.stop();
});

it("leaves an old revision alone as soon as a newer one is in force", async () => {
  const bench = new PrefetchBench();
  bench.fails = Number.POSITIVE_INFINITY;
  await bench.prefetch.start();
  await bench.clock.advance(2000);
  setRevision(bench.inventory, "beef");
  bench.fails = 0;
  bench.fetched.length = 0;
  await bench.clock.advance(60_000);
  assert.is(bench.fetched.length, 1);
  await bench.prefetch.stop();
  setRevision(bench.inventory, "cafe");
  await bench.clock.advance(60_000);
  assert.is(bench.fetched.length, 1, "stopped");
});

it("asks the node that ran it for a transcript, then the holders of copies; an unreachable node last", () => {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok(jobCreate("j", "commission", ["n2"]));
  inventory.ok({
    type: "job.node.begin",
    job: "j",
    node: "n2",
    phase: "commissioning",
    roles: ["web"],
  });
  inventory.ok({ type: "run.begin", job: "j", node: "n2", run: run("j", "n2") });
  const id = run("j", "n2").id;
  assert.equal(transcriptHolders(inventory.view, id, peer("n1")), [peer("n2")]);
  const copies = [peer("n2"), peer("n3")];
  inventory.ok({ ...runFinish("j", "n2", finished(run("j", "n2"))), transcripts: copies });
  assert.equal(transcriptHolders(inventory.view, id, peer("n1")), [peer("n2"), peer("n3")]);
  assert.equal(transcriptHolders(inventory.view, id, peer("n2")), [peer("n3")], "not itself");
  for (const text of ["", "x", "j/nobody/web/configure/1", "////"]) {
    assert.equal(transcriptHolders(inventory.view, text, peer("n1")), [], text);
  }
});

const status = { role: "leader", term: 1, quorumLost: false } as ConsensusStatus;

it("holds for a leader only who has a quorum", () => {
  assert.is(leads(status), true);
  assert.is(leads({ ...status, quorumLost: true }), false);
  assert.is(leads({ ...status, role: "follower" }), false);
});

it("tells of the beginning, the end and the renewal of leadership, and of nothing else", () => {
  let current = status;
  let tell = (_: ConsensusStatus): void => undefined;
  let heard = 0;
  const node: Parameters<typeof leadershipOf>[0] = {
    get isLeading() {
      return leads(current);
    },
    status: () => current,
    onChange: (listener: (status: ConsensusStatus) => void) => {
      tell = listener;
      return () => undefined;
    },
  };
  const leadership = leadershipOf(node);
  leadership.onChange(() => (heard += 1));
  const steps = [
    [{ commit: 9 }, 0],
    [{ quorumLost: true }, 1],
    [{ commit: 10 }, 1],
    [{ quorumLost: false }, 2],
    [{ term: 2 }, 3],
    [{ role: "follower" }, 4],
    [{ term: 3 }, 4],
  ] as const;
  for (const [change, expected] of steps) {
    current = { ...current, ...change };
    tell(current);
    assert.is(heard, expected, JSON.stringify(change));
  }
  assert.is(leadership.isLeader(), false);
});

it.run();
