/** The keys of datagrams from the replica to the lane, and the leader's steps of a rotation. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KeyRotation } from "../../../src/agent/key-rotation.ts";
import { KeyWatch } from "../../../src/agent/key-watch.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type MemberView } from "../../../src/gossip/ports.ts";
import { type MemberRecord } from "../../../src/inventory/records.ts";
import { type Command } from "../../../src/inventory/commands.ts";
import { keyProgress, keysTag } from "../../../src/inventory/keyring-progress.ts";
import { type KeyRing } from "../../../src/p2p/key-ring.ts";
import { Inventory } from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent/key-rotation");

type Step = "create" | "install" | "use" | "remove";
function change(step: Step, key: number, digit: string | null = null): Command {
  return { type: "keyring.change", step, key, secret: digit === null ? null : digit.repeat(64) };
}

function taker(name: string, keys: string, changes: Partial<MemberView> = {}): MemberView {
  return memberView({ name, datagrams: true, tags: { [keysTag]: keys }, ...changes });
}

interface World {
  readonly inventory: Inventory;
  readonly clock: VirtualClock;
  members: MemberView[];
  leads: boolean;
  /** Raft indexes at which members were evicted. */
  evictedAt: number[];
}

async function withRotation(body: (world: World) => Promise<void>): Promise<void> {
  const world: World = {
    inventory: new Inventory(),
    clock: new VirtualClock(),
    members: [],
    leads: true,
    evictedAt: [],
  };
  const { inventory, clock } = world;
  inventory.ok(change("create", 1, "a"));
  inventory.ok(change("install", 2, "b"));
  const rotation = new KeyRotation({
    view: {
      keyring: () => inventory.view.keyring(),
      members: () => world.evictedAt.map((version) => evicted(version)),
    },
    gossip: { members: () => world.members },
    isLeader: () => world.leads,
    ...{ clock, logger: silentLogger },
    submit: (command) => Promise.resolve(inventory.send(command)),
  });
  await rotation.start();
  try {
    await body(world);
  } finally {
    await rotation.stop();
  }
}

function evicted(version: number): MemberRecord {
  const id = asPeerId(`peer-${version}`);
  const rest = { node: "n", address: "", admittedAt: 0, token: null } as const;
  return { id, status: "evicted", version, ...rest };
}

const stepOf = ({ inventory }: World): string => inventory.view.keyring()?.rotation?.step ?? "done";

it("takes each step when all that take datagrams are ready, and not before", () =>
  withRotation(async (world) => {
    const others = [
      memberView({ name: "streams only" }),
      taker("failed", "1/1", { status: "failed" }),
      taker("left", "1/1", { status: "left" }),
    ];
    world.members = [taker("a", "2/1"), taker("b", "1/1"), ...others];
    await world.clock.advance(10_000);
    assert.is(stepOf(world), "install");
    world.members = [taker("a", "2/1"), taker("b", "2/1"), ...others];
    await world.clock.advance(1000);
    assert.is(stepOf(world), "use");
    world.members = [taker("a", "2/2"), taker("b", "2/1", { status: "suspect" }), ...others];
    await world.clock.advance(10_000);
    assert.is(stepOf(world), "use");
    world.members = [taker("a", "2/2"), taker("b", "2/2"), ...others];
    await world.clock.advance(4000);
    assert.is(stepOf(world), "done");
  }));

it("rotates by itself when somebody was evicted who knows the key, once", () =>
  withRotation(async (world) => {
    const { inventory, clock } = world;
    world.evictedAt = [1];
    world.members = [taker("a", "2/2")];
    inventory.ok(change("use", 2));
    inventory.ok(change("remove", 2));
    await clock.advance(10_000);
    assert.is(inventory.view.keyring()?.epoch, 2);
    world.evictedAt = [1, inventory.machine.appliedIndex + 1];
    inventory.ok({ type: "vars.patch", patch: {} });
    await clock.advance(2000);
    const ring = inventory.view.keyring();
    assert.equal([ring?.epoch, ring?.rotation?.step, ring?.sealing], [3, "install", 2]);
    inventory.ok(change("use", 3));
    inventory.ok(change("remove", 3));
    await clock.advance(10_000);
    assert.is(inventory.view.keyring()?.epoch, 3);
  }));

it("leaves the steps to the leader", () =>
  withRotation(async (world) => {
    world.leads = false;
    world.members = [taker("a", "2/1")];
    await world.clock.advance(10_000);
    assert.is(stepOf(world), "install");
  }));

it("names whom a rotation waits for, a member that says nonsense among them", () => {
  const inventory = new Inventory();
  inventory.ok(change("create", 1, "a"));
  inventory.ok(change("install", 2, "b"));
  const members = [
    taker("a", "2/1"),
    taker("b", "x"),
    taker("c", "1/1"),
    memberView({ name: "d" }),
  ];
  assert.equal(keyProgress(inventory.view.keyring(), members), {
    members: 3,
    ready: 1,
    waitingFor: ["b", "c"],
  });
  assert.equal(keyProgress(null, members), { members: 3, ready: 3, waitingFor: [] });
});

it("makes the first key, gives each ring to the lane, and says so in the record", async () => {
  const inventory = new Inventory();
  const clock = new VirtualClock();
  const self = asPeerId("peer-a");
  const rings: KeyRing[] = [];
  let tags: Readonly<Record<string, string>> = { version: "1" };
  let datagrams: string = "none";
  const watch = new KeyWatch({
    ...{ self, use: "fallback", clock, logger: silentLogger, view: inventory.view },
    onApplied: (listener) => inventory.machine.onApplied(listener),
    lane: { isOpen: true, setRing: (ring) => void rings.push(ring) },
    gossip: {
      member: () => memberView({ name: "a", tags }),
      setTags: (changed) => void (tags = changed),
      setDatagrams: (use) => void (datagrams = use),
    },
    submit: (command) => Promise.resolve(inventory.send(command)),
    readBarrier: () => Promise.resolve(),
  });
  await watch.start();
  assert.is(datagrams, "none");
  await clock.advance(3000);
  assert.equal([tags, datagrams], [{ version: "1", keys: "1/1" }, "fallback"]);
  inventory.ok(change("install", 2, "b"));
  assert.is(tags["keys"], "2/1");
  assert.not.ok(inventory.send(change("use", 9)).ok); // an entry that changes no ring
  inventory.ok(change("use", 2));
  inventory.ok(change("remove", 2));
  assert.is(tags["keys"], "2/2");
  assert.equal(
    rings.map(({ keys, sealing }) => [keys.map(({ id }) => id), sealing]),
    [
      [[1], 1],
      [[1, 2], 1],
      [[1, 2], 2],
      [[2], 2],
    ],
  );
  assert.equal(rings[3]?.keys[0]?.secret, Buffer.alloc(32, 0xbb));
  await watch.stop();
});

it("makes no key before its replica has all that was committed, and none when that brings one", async () => {
  const inventory = new Inventory();
  const clock = new VirtualClock();
  const sent: string[] = [];
  const barriers: (() => void)[] = [];
  let hasLeader = false;
  const watch = new KeyWatch({
    ...{ self: asPeerId("peer-a"), use: "fallback", clock, logger: silentLogger },
    view: inventory.view,
    onApplied: (listener) => inventory.machine.onApplied(listener),
    lane: { isOpen: true, setRing: () => undefined },
    gossip: { member: () => null, setTags: () => undefined, setDatagrams: () => undefined },
    submit: (command) => {
      sent.push(command.type);
      return Promise.resolve(inventory.send(command));
    },
    readBarrier: async () => {
      if (!hasLeader) throw new AgentError("NO_LEADER", "electing");
      await new Promise<void>((resolve) => void barriers.push(resolve));
    },
  });
  await watch.start();
  await clock.advance(5000);
  assert.equal(sent, [], "nobody can tell what there is");
  hasLeader = true;
  await clock.advance(2000);
  assert.is(barriers.length, 1);
  inventory.ok(change("create", 1, "a"));
  barriers[0]?.();
  await clock.advance(10_000);
  assert.equal(sent, []);
  await watch.stop();
});

it("takes the ring of another history, at whatever index it was written there", async () => {
  const [here, there] = [new Inventory(), new Inventory()];
  here.ok(change("create", 1, "a"));
  there.ok(change("create", 1, "b"));
  assert.is(here.view.keyring()?.version, there.view.keyring()?.version);
  let { view } = here;
  const taken: Uint8Array[] = [];
  const watch = new KeyWatch({
    ...{ self: asPeerId("peer-a"), use: "fallback", clock: new VirtualClock() },
    ...{ logger: silentLogger, view: { keyring: () => view.keyring() } },
    onApplied: (listener) => there.machine.onApplied(listener),
    lane: {
      isOpen: true,
      setRing: ({ keys }) => void taken.push(...keys.map(({ secret }) => secret)),
    },
    gossip: { member: () => null, setTags: () => undefined, setDatagrams: () => undefined },
    submit: (command) => Promise.resolve(there.send(command)),
    readBarrier: () => Promise.resolve(),
  });
  await watch.start();
  ({ view } = there);
  there.ok({ type: "vars.patch", patch: {} });
  assert.equal(taken, [Buffer.alloc(32, 0xaa), Buffer.alloc(32, 0xbb)]);
  await watch.stop();
});

it("makes no key and promises nothing where the port for datagrams was not to be had", async () => {
  const inventory = new Inventory();
  const clock = new VirtualClock();
  const said: string[] = [];
  const watch = new KeyWatch({
    ...{ self: asPeerId("peer-a"), use: "fallback", clock, logger: silentLogger },
    view: inventory.view,
    onApplied: (listener) => inventory.machine.onApplied(listener),
    lane: { isOpen: false, setRing: () => void said.push("ring") },
    gossip: {
      member: () => memberView({ name: "a" }),
      setTags: () => void said.push("tags"),
      setDatagrams: (use) => void said.push(use),
    },
    submit: (command) => Promise.resolve(inventory.send(command)),
    readBarrier: () => Promise.resolve(),
  });
  await watch.start();
  inventory.ok(change("create", 1, "a"));
  await clock.advance(10_000);
  assert.equal(said, []);
  await watch.stop();
});

it.run();
