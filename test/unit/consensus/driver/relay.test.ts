/** Members that the leader does not stream to: twelve of them, five voters, five standbys, two observers. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../../src/base/logger.ts";
import { replicationTargets } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import { Autopilot } from "../../../../src/consensus/driver/autopilot.ts";
import {
  type AutopilotLimits,
  defaultAutopilotLimits,
} from "../../../../src/consensus/driver/autopilot-plan.ts";
import {
  type ClusterNode,
  type ClusterOptions,
  RaftCluster,
} from "../../../support/raft-cluster.ts";

const it = suite("consensus: relay");

/** A cluster whose autopilot gives places; whoever runs is admitted and alive. */
class World {
  readonly cluster: RaftCluster;
  readonly #limits: AutopilotLimits;
  readonly #pilots = new Map<NodeId, Autopilot>();
  readonly #names: readonly NodeId[];

  constructor(
    names: readonly NodeId[],
    limits: Partial<AutopilotLimits> = {},
    options: ClusterOptions = {},
  ) {
    this.#names = names;
    this.#limits = { ...defaultAutopilotLimits, stableMs: 1000, ...limits };
    this.cluster = new RaftCluster(names.slice(0, 1), { relay: {}, ...options });
  }

  /** Starts all and waits until every place is taken. */
  async start(): Promise<void> {
    for (const [i, id] of this.#names.entries()) await this.join(id, i === 0);
    const { maxVoters, maxStandbys } = this.#limits;
    const places = Math.min(this.#names.length, maxVoters + maxStandbys);
    await this.cluster.clock.until("all places are taken", () => {
      const effective = this.cluster.leader()?.consensus.status().committed;
      if (effective === undefined) return false;
      const voters = effective.sets.flat().length;
      return voters === maxVoters && replicationTargets(effective).length === places;
    });
    await this.cluster.clock.until("every observer knows the leader", () =>
      this.observers().every(({ consensus }) => consensus.status().relayed),
    );
  }

  async join(id: NodeId, member = false): Promise<ClusterNode> {
    const node = await this.cluster.start(id, member);
    const pilot = new Autopilot(
      { self: id, limits: this.#limits },
      {
        node: node.consensus,
        members: {
          admitted: () => this.#names,
          isGone: () => false,
          isAlive: (other) => this.cluster.nodes.has(other),
        },
        clock: this.cluster.clock,
        logger: silentLogger,
      },
    );
    await pilot.start();
    this.#pilots.set(id, pilot);
    return node;
  }

  observers(): readonly ClusterNode[] {
    const effective = this.cluster.leader()?.consensus.status().effective;
    const streamed = effective === undefined ? [] : replicationTargets(effective);
    return [...this.cluster.nodes.values()].filter(({ id }) => !streamed.includes(id));
  }

  crash(id: NodeId): void {
    void this.#pilots.get(id)?.stop();
    this.#pilots.delete(id);
    this.cluster.crash(id);
  }

  async write(text: string): Promise<void> {
    await this.cluster.settle(this.cluster.write(await this.cluster.elected(), text));
  }

  async end(): Promise<void> {
    for (const pilot of this.#pilots.values()) await this.cluster.settle(pilot.stop());
    await this.cluster.stopAll();
    assert.equal([...this.cluster.failures], []);
  }
}

const twelve = [..."abcdefghijkl"];

function test(
  name: string,
  make: () => World,
  run: (world: World, cluster: RaftCluster) => Promise<void>,
): void {
  it(name, async () => {
    const world = make();
    await world.start();
    await run(world, world.cluster);
    await world.end();
  });
}

const small = (): World => new World([..."abcde"], { maxVoters: 3, maxStandbys: 1 });

test(
  "the leader sends to ten members of twelve, and all replicas are equal",
  () => new World(twelve),
  async (world, cluster) => {
    const leader = await cluster.elected();
    const observers = world.observers();
    assert.is(observers.length, 2);
    const received = (): readonly number[] =>
      observers.map(({ consensus }) => consensus.metrics.messagesIn);
    const before = received();
    const served = leader.consensus.metrics.relayServed;
    for (let i = 0; i < 50; i += 1) await world.write(`value ${i}`);
    await cluster.converged();
    assert.ok(leader.consensus.status().peers.size <= 10);
    for (const { consensus, transport } of observers) {
      const { relayed, quorumLost, leader: known } = consensus.status();
      assert.equal([relayed, quorumLost, known], [true, false, leader.id]);
      assert.equal(transport.peers, [], "no stream to the leader is kept");
      assert.ok(consensus.metrics.relayedIn > 0);
    }
    assert.equal(received(), before, "nothing comes by Raft's own messages");
    assert.is(leader.consensus.metrics.relayServed, served, "followers serve the observers");
  },
);

test("observers ask once in five seconds when nothing happens", small, async (world, cluster) => {
  await cluster.clock.advance(20_000);
  const before = world.observers().map(({ consensus }) => consensus.metrics.relayPulls);
  assert.is(before.length, 1);
  await cluster.clock.advance(60_000);
  const after = world.observers().map(({ consensus }) => consensus.metrics.relayPulls);
  const pulls = (after[0] ?? 0) - (before[0] ?? 0);
  assert.ok(pulls >= 10 && pulls <= 14, `${pulls} pulls a minute`);
});

test("reads on an observer see what was committed before", small, async (world, cluster) => {
  const [observer] = world.observers();
  assert.ok(observer !== undefined);
  for (let i = 0; i < 5; i += 1) {
    await world.write(`value ${i}`);
    const index = await cluster.settle(observer.consensus.readBarrier(5000));
    assert.ok(index <= observer.consensus.status().applied);
    assert.is(observer.machine.commands.at(-1), `value ${i}`);
  }
});

test("an observer whose neighbour dies goes on with another", small, async (world, cluster) => {
  const [observer] = world.observers();
  const parent = observer?.relay?.parent ?? "";
  assert.ok(cluster.nodes.has(parent), "it pulls from somebody");
  world.crash(parent);
  await world.write("after the death");
  await cluster.converged();
  assert.is.not(observer?.relay?.parent, parent);
});

test("observers hear at once of another leader", small, async (world, cluster) => {
  const { id } = await cluster.elected();
  assert.is.not(world.observers()[0]?.relay?.parent, id, "a follower feeds it");
  world.crash(id);
  const next = await cluster.elected();
  const heard = (): boolean =>
    world.observers().every(({ consensus }) => consensus.status().leader === next.id);
  await cluster.clock.until("they know it long before they would ask again", heard, 1000);
});

test("an observer takes the place of a voter that died", small, async (world, cluster) => {
  const [observer] = world.observers();
  const { effective } = (await cluster.elected()).consensus.status();
  const voter = effective.sets.flat().find((id) => id !== cluster.leader()?.id) ?? "";
  world.crash(voter);
  await cluster.clock.until("it is streamed to, and the voters are three again", () => {
    const status = cluster.leader()?.consensus.status();
    if (status === undefined) return false;
    const { sets, standbys } = status.committed;
    return sets.flat().length === 3 && standbys.includes(observer?.id ?? "");
  });
  await world.write("with a new voter");
  await cluster.converged();
  assert.is(observer?.consensus.status().relayed, false);
  // The one that died believes that it votes still. Nobody streams to it, as its place is taken.
  const back = await world.join(voter);
  await cluster.clock.until("it learned that it observes", () => back.consensus.status().relayed);
  await cluster.converged();
});

test("a neighbour that lies is found out, and another is asked", small, async (world, cluster) => {
  const [observer] = world.observers();
  assert.ok(observer !== undefined);
  const liar = observer.relay?.parent ?? "";
  let lies = 0;
  cluster.forge = (from, answer) => {
    const said = answer as { kind?: string; count?: number; body?: Uint8Array };
    if (from !== liar || said.kind !== "entries" || (said.count ?? 0) === 0) return answer;
    lies += 1;
    const body = Uint8Array.from(said.body ?? []);
    body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    return { ...said, body };
  };
  for (let i = 0; i < 5; i += 1) await world.write(`value ${i}`);
  await cluster.converged();
  assert.ok(lies > 0, "it lied");
  assert.is(observer.consensus.metrics.relayMismatches, lies);
  assert.is.not(observer.relay?.parent, liar);
});

test("nonsense from neighbours harms nobody", small, async (world, cluster) => {
  const nonsense: readonly unknown[] = [
    ...[null, 7, "no", [], {}, { kind: "entries" }, { kind: "mismatch", chain: "x" }],
    { kind: "entries", count: 1, body: new Uint8Array(3), chain: "0".repeat(32), applied: 1 },
    { kind: "snapshot", index: 2 ** 60, leader: "a", path: [], leaderAgeMs: 0 },
    { kind: "snapshot", index: 10_000, leader: "a", path: [], leaderAgeMs: 0 },
    { kind: "entries", count: 0, body: new Uint8Array(), leader: "zz", path: Array(99).fill("z") },
  ];
  let turn = 0;
  cluster.forge = () => nonsense[(turn += 1) % nonsense.length];
  await cluster.clock.advance(30_000);
  cluster.forge = (_, answer) => answer;
  await world.write("and now the truth");
  await cluster.clock.until("it caught up", () =>
    world.observers().every(({ machine }) => machine.commands.includes("and now the truth")),
  );
});

test(
  "an observer that is far behind gets a snapshot from a neighbour",
  () =>
    new World(
      [..."abcde"],
      { maxVoters: 3, maxStandbys: 1 },
      { driver: { snapshotEntries: 50, trailingEntries: 5 } },
    ),
  async (world, cluster) => {
    const [observer] = world.observers();
    const id = observer?.id ?? "";
    world.crash(id);
    for (let i = 0; i < 200; i += 1) await world.write(`value ${i}`);
    const back = await world.join(id);
    await cluster.converged();
    assert.is(back.consensus.metrics.snapshotsInstalled, 1);
    await world.write("and it goes on");
    await cluster.converged();
  },
);

test(
  "observers that see each other only do not feed on each other",
  small,
  async (world, cluster) => {
    const observer = world.observers()[0]?.id ?? "";
    await world.join("f");
    await world.join("g");
    await cluster.clock.until("all know the leader", () =>
      [...cluster.nodes.values()].every(({ consensus }) => consensus.status().leader !== null),
    );
    const outside = [observer, "f", "g"];
    cluster.lets = (from, to) => outside.includes(from) === outside.includes(to);
    await cluster.clock.until("none of them believes in the leader", () =>
      outside.every((id) => cluster.node(id).consensus.status().leader === null),
    );
    cluster.lets = () => true;
    await world.write("together again");
    await cluster.converged();
  },
);

it.run();
