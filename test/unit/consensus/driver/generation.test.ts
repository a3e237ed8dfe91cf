/** Changes of generation on whole nodes in memory: what is kept, who follows, and a crash at every write of it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../../src/base/assert.ts";
import { errorCode } from "../../../../src/base/errors.ts";
import { EntryType } from "../../../../src/consensus/core/types.ts";
import {
  currentGeneration,
  maxGenerations,
  withGeneration,
} from "../../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../../src/consensus/lineage/types.ts";
import { type MemoryDisk } from "../../../support/memory-log.ts";
import {
  clusterGeneration,
  clusterLineage,
  type ClusterNode,
  type ClusterOptions,
  RaftCluster,
} from "../../../support/raft-cluster.ts";

const it = suite("driver: generations");

function on(
  title: string,
  voters: readonly string[],
  test: (cluster: RaftCluster) => Promise<void>,
  options: ClusterOptions = {},
): void {
  it(title, async () => {
    const cluster = new RaftCluster(voters, options);
    await cluster.startAll();
    try {
      await test(cluster);
      assert.equal([...cluster.failures], []);
    } finally {
      await cluster.stopAll();
    }
  });
}

/** Virtual time, for what must not happen. */
async function pass({ clock }: RaftCluster, ms: number): Promise<void> {
  const end = clock.monotonicMs() + ms;
  await clock.until("time passes", () => clock.monotonicMs() >= end);
}

let children = 0;

/** A child of the node's generation, coordinated by it, with these members. */
async function childOf(node: ClusterNode, members: readonly string[]): Promise<Generation> {
  const { last, lastTerm, commit } = node.consensus.status();
  const parent = node.consensus.generation();
  children += 1;
  return {
    ...{ n: parent.n + 1, id: `${children}`.padStart(32, "0"), parent: parent.id },
    ...{ kind: "forced-auto", coordinator: node.id, members, lost: [], outlived: true },
    ...{ forkIndex: last, forkTerm: lastTerm, legitCommit: commit, missingAtMost: 0, at: 0 },
    forkChain: (await node.consensus.chainAt(last)) ?? "",
  };
}

const ballot = { counter: 1, node: "a" };

async function prepare(cluster: RaftCluster, nodes: readonly ClusterNode[]): Promise<void> {
  for (const { consensus } of nodes) {
    const parent = consensus.generation().id;
    await cluster.settle(consensus.promise({ parent, ballot, accepted: null }));
  }
}

/** All of `nodes` promise and accept; the first forces, the others follow. */
async function force(cluster: RaftCluster, nodes: readonly ClusterNode[]): Promise<Generation> {
  const best = must(nodes[0], "somebody survives");
  await prepare(cluster, nodes);
  const child = await childOf(
    best,
    nodes.map(({ id }) => id),
  );
  const accepted = { ballot, child };
  for (const { consensus } of nodes) {
    const parent = consensus.generation().id;
    await cluster.settle(consensus.promise({ parent, ballot, accepted }));
  }
  const term = Math.max(...nodes.map(({ consensus }) => consensus.status().term)) + 1;
  await cluster.settle(best.consensus.enter({ kind: "force", child, term }));
  const { generations } = best.consensus.lineage();
  for (const { consensus } of nodes.slice(1)) {
    await cluster.settle(consensus.enter({ kind: "adopt", generations }));
  }
  return child;
}

/** The leader's last write, which nobody but it has and nobody was told about. */
async function unconfirmed(cluster: RaftCluster, leader: ClusterNode): Promise<void> {
  cluster.lets = () => false;
  const { last } = leader.consensus.status();
  cluster.write(leader, "tail").catch(() => {
    // Its outcome is unknown, which another test looks at.
  });
  await cluster.clock.until("it is in the log", () => leader.consensus.status().persisted > last);
}

on("goes on alone with its whole log, and takes the other back", ["a", "b"], async (cluster) => {
  const leader = await cluster.elected();
  const [other] = cluster.followers();
  const peer = must(other, "there are two");
  for (const text of ["1", "2", "3"]) await cluster.settle(cluster.write(leader, text));
  await unconfirmed(cluster, leader);
  await force(cluster, [leader]);
  const foreign = new Set<string>();
  peer.consensus.onForeignGeneration((from, id) => void foreign.add(`${from} ${id}`));
  await cluster.clock.until("it leads alone", () => leader.consensus.status().role === "leader");
  await cluster.settle(cluster.write(leader, "4"));
  assert.equal(leader.machine.commands, ["1", "2", "3", "tail", "4"]);
  assert.equal(leader.consensus.status().committed.sets, [[leader.id]]);
  assert.equal(leader.consensus.status().committed.lost, [peer.id]);
  assert.equal(peer.machine.commands, ["1", "2", "3"]);
  cluster.lets = () => true;
  assert.ok(leader.consensus.proposeConfig({ op: "addStandby", node: peer.id }).ok);
  const { id, forkIndex } = leader.consensus.generation();
  await cluster.clock.until("they hear of each other", () => foreign.has(`${leader.id} ${id}`));
  assert.is(peer.machine.commands.length, 3, "nothing of another generation is taken");
  const { generations } = leader.consensus.lineage();
  await cluster.settle(peer.consensus.enter({ kind: "adopt", generations }));
  await cluster.converged();
  assert.equal(peer.machine.commands, leader.machine.commands);
  assert.equal(peer.consensus.generation(), leader.consensus.generation());
  assert.is(await peer.consensus.chainAt(forkIndex), leader.consensus.generation().forkChain);
});

on(
  "lets two of three go on; the third is told to follow and does",
  ["a", "b", "c"],
  async (cluster) => {
    const leader = await cluster.elected();
    await cluster.settle(cluster.write(leader, "1"));
    await cluster.converged();
    const survivors = cluster.followers();
    cluster.crash(leader.id);
    const child = await force(cluster, survivors);
    const next = await cluster.elected();
    assert.is(
      next.id,
      child.coordinator,
      "who follows may not stand before it has the ForceConfig",
    );
    await cluster.settle(cluster.write(next, "2"));
    assert.equal(next.consensus.status().committed.sets, [survivors.map(({ id }) => id).sort()]);
    const back = await cluster.start(leader.id);
    const { generations } = next.consensus.lineage();
    assert.is(back.consensus.generation().id, clusterGeneration);
    await cluster.settle(back.consensus.enter({ kind: "adopt", generations }));
    assert.ok(next.consensus.proposeConfig({ op: "addStandby", node: back.id }).ok);
    await cluster.converged();
    assert.equal(back.machine.commands, ["1", "2"]);
  },
);

on("acts no more once it promised, also after a restart", ["a", "b", "c"], async (cluster) => {
  const leader = await cluster.elected();
  cluster.lets = () => false;
  const placed = cluster.write(leader, "x").then(String, errorCode);
  const { last } = leader.consensus.status();
  await cluster.clock.until("it is in the log", () => leader.consensus.status().persisted > last);
  await prepare(cluster, [leader]);
  assert.is(await cluster.settle(placed), "UNKNOWN_OUTCOME");
  assert.is(leader.consensus.status().engine, "promised");
  assert.is(leader.consensus.status().last, last + 1, "what it had is kept");
  assert.is(await cluster.write(leader, "y").then(String, errorCode), "NOT_LEADER");
  assert.is(await leader.consensus.readBarrier(1000).then(String, errorCode), "NO_LEADER");
  cluster.lets = () => true;
  cluster.crash(leader.id);
  const back = await cluster.start(leader.id);
  assert.is(back.consensus.status().engine, "promised");
  const other = await cluster.elected();
  await cluster.settle(cluster.write(other, "z"));
  cluster.crash(other.id);
  const left = must(
    cluster.followers().find(({ id }) => id !== back.id),
    "one is left beside the promised one",
  );
  await pass(cluster, 20_000);
  assert.is.not(left.consensus.status().role, "leader", "it gets no vote of the promised one");
  assert.is(back.consensus.status().vote, leader.consensus.status().vote);
});

on(
  "lets nobody lead a generation by the configuration before it",
  ["a", "b", "c"],
  async (cluster) => {
    const leader = await cluster.elected();
    await cluster.settle(cluster.write(leader, "1"));
    await cluster.converged();
    const others = cluster.followers();
    cluster.lets = (from, to) => from !== leader.id && to !== leader.id;
    await force(cluster, [leader]);
    const { generations } = leader.consensus.lineage();
    for (const { consensus } of others) {
      await cluster.settle(consensus.enter({ kind: "adopt", generations }));
    }
    await pass(cluster, 20_000); // they are a majority of the former three
    for (const { consensus } of others) assert.is(consensus.status().role, "follower");
    await cluster.settle(cluster.write(leader, "2"));
  },
);

on("refuses steps that do not fit, and goes on as before", ["a", "b"], async (cluster) => {
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "1"));
  const { consensus } = leader;
  const { generations } = consensus.lineage();
  const good = await childOf(leader, [leader.id]);
  const early = { ...good, forkIndex: 0, legitCommit: 0, forkTerm: 0 };
  const stranger = { ...good, parent: "f".repeat(32), n: 7 };
  const attempts = [
    consensus.enter({ kind: "force", child: good, term: 99 }), // not accepted
    consensus.enter({ kind: "adopt", generations }),
    consensus.enter({ kind: "adopt", generations: withGeneration(generations, early) }),
    consensus.enter({ kind: "adopt", generations: [stranger] }),
    consensus.promise({ parent: "f".repeat(32), ballot, accepted: null }),
  ];
  for (const attempt of attempts) {
    const outcome = await cluster.settle(attempt.then(String, errorCode));
    assert.is(outcome, "GENERATION_MISMATCH");
  }
  const again = await cluster.elected();
  assert.equal(again.consensus.lineage(), clusterLineage);
  await cluster.settle(cluster.write(again, "2"));
});

on("starts over in the history that won", ["a", "b"], async (cluster) => {
  const leader = await cluster.elected();
  const peer = must(cluster.followers()[0], "there are two");
  await cluster.settle(cluster.write(leader, "1"));
  await cluster.converged();
  cluster.lets = () => false;
  await force(cluster, [leader]);
  await force(cluster, [peer]);
  for (const node of [leader, peer]) {
    await cluster.clock.until("it leads", () => node.consensus.status().role === "leader");
    await cluster.settle(cluster.write(node, `of ${node.id}`));
  }
  const { generations } = leader.consensus.lineage();
  const { commit: index, lastTerm: term, term: before } = leader.consensus.status();
  await cluster.settle(peer.consensus.freeze());
  assert.equal(peer.machine.commands, ["1", `of ${peer.id}`]);
  const own = peer.consensus.status().term;
  const left = peer.consensus.generation().id;
  const step = { kind: "reset", generations, voteFrom: { term, index } } as const;
  await cluster.settle(peer.consensus.enter(step));
  assert.equal(peer.machine.commands, []);
  assert.is(peer.consensus.status().last, 0);
  assert.ok(peer.consensus.status().term >= own && before > 0, "terms never fall");
  assert.equal(peer.consensus.lineage().voteFrom, { term, index });
  assert.equal(peer.consensus.lineage().left, [left], "the generation of its own");
  cluster.lets = () => true;
  assert.ok(leader.consensus.proposeConfig({ op: "addStandby", node: peer.id }).ok);
  await cluster.converged();
  assert.equal(peer.machine.commands, ["1", `of ${leader.id}`]);
  cluster.crash(peer.id);
  const back = await cluster.start(peer.id);
  await cluster.converged();
  assert.equal(back.consensus.generation(), leader.consensus.generation());
  assert.equal(back.consensus.lineage().left, [left], "the disk kept it");
});

on(
  "votes no sooner because it follows into a child after it started over",
  ["a", "b"],
  async (cluster) => {
    const leader = await cluster.elected();
    const peer = must(cluster.followers()[0], "there are two");
    cluster.lets = () => false;
    await force(cluster, [leader]);
    const { generations } = leader.consensus.lineage();
    const voteFrom = { term: 99, index: 99 };
    await cluster.settle(peer.consensus.enter({ kind: "reset", generations, voteFrom }));
    const child = await childOf(leader, [leader.id]);
    const path = withGeneration(generations, child);
    await cluster.settle(peer.consensus.enter({ kind: "adopt", generations: path }));
    assert.is(peer.consensus.generation().id, child.id);
    assert.equal(peer.consensus.lineage().voteFrom, voteFrom);
  },
);

on(
  "removes snapshots of the history that it gave up",
  ["a", "b"],
  async (cluster) => {
    const leader = await cluster.elected();
    const peer = must(cluster.followers()[0], "there are two");
    cluster.lets = () => false;
    await force(cluster, [leader]);
    await force(cluster, [peer]);
    await cluster.clock.until("it leads", () => peer.consensus.status().role === "leader");
    await cluster.clock.until("it leads", () => leader.consensus.status().role === "leader");
    for (let i = 0; i < 30; i += 1) await cluster.settle(cluster.write(peer, `lost ${i}`));
    await cluster.clock.until("it took one", () => peer.consensus.status().snapshotIndex > 10);
    const { commit: index, lastTerm: term } = leader.consensus.status();
    const { generations } = leader.consensus.lineage();
    const step = { kind: "reset", generations, voteFrom: { term, index } } as const;
    await cluster.settle(peer.consensus.enter(step));
    assert.is(cluster.shelves.get(peer.id)?.newest ?? null, null);
    assert.equal(peer.machine.commands, []);
  },
  { driver: { snapshotEntries: 10, trailingEntries: 5 } },
);

on(
  "takes no snapshot any more that was on its way when it gave its generation up",
  ["a", "b", "c"],
  async (cluster) => {
    const leader = await cluster.elected();
    const late = must(cluster.followers()[0], "there are three");
    const stays = { commit: late.consensus.status().commit };
    cluster.lets = (_, to) => to !== late.id;
    for (let i = 0; i < 15; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    await cluster.clock.until("it took one", () => leader.consensus.status().snapshotIndex > 5);
    const { meta, bytes } = must(cluster.shelves.get(leader.id)?.newest ?? undefined, "it did");
    assert.ok(meta.index > stays.commit);
    const sink = await late.transport.accept(leader.id, meta);
    assert.is(sink?.offset, 0, "the leader that it still hears of may send one");
    await prepare(cluster, [late]);
    assert.is(await sink?.write(bytes).catch(errorCode), "STOPPED");
    assert.is(await sink?.finish().catch(errorCode), "STOPPED");
    assert.is(cluster.shelves.get(late.id)?.newest ?? null, null);
  },
  { driver: { snapshotEntries: 10, trailingEntries: 5 } },
);

on(
  "keeps the snapshot that its log goes on from, however many generations ago it was taken",
  ["a"],
  async (cluster) => {
    const alone = await cluster.elected();
    await force(cluster, [alone]);
    await force(cluster, [alone]);
    await cluster.clock.until("it leads", () => alone.consensus.status().role === "leader");
    for (let i = 0; i < 310; i += 1) await cluster.settle(cluster.write(alone, `${i}`));
    await cluster.clock.until("it took one", () => alone.consensus.status().snapshotIndex >= 300);
    await cluster.clock.until("it forgot", () => alone.consensus.status().first > 200);
    for (let i = 0; i < maxGenerations; i += 1) await force(cluster, [alone]);
    const ids = alone.consensus.lineage().generations.map(({ n }) => n);
    assert.not(ids.includes(3), "the generation of the snapshot is not listed any more");
    assert.is(alone.machine.commands.length, 310);
    cluster.crash(alone.id);
    const back = await cluster.start(alone.id);
    assert.is(back.machine.commands.length, 310);
  },
  { driver: { snapshotEntries: 300, trailingEntries: 5 } },
);

on(
  "applies its tail when it freezes, and takes it back when that is cut off",
  ["a", "b"],
  async (cluster) => {
    const leader = await cluster.elected();
    const peer = must(cluster.followers()[0], "there are two");
    await cluster.settle(cluster.write(leader, "1"));
    await cluster.converged();
    await unconfirmed(cluster, leader);
    await cluster.settle(leader.consensus.freeze());
    await cluster.settle(leader.consensus.freeze());
    assert.equal(leader.machine.commands, ["1", "tail"]);
    await force(cluster, [peer]);
    const child = peer.consensus.generation();
    const fork = { ...child, forkTerm: 99 }; // as if the tail were known to be of no value
    const generations = withGeneration(clusterLineage.generations, fork);
    await cluster.settle(leader.consensus.enter({ kind: "adopt", generations }));
    assert.equal(leader.machine.commands, ["1"]);
    assert.is(leader.consensus.status().last, child.forkIndex);
  },
);

on(
  "applies its tail behind what was committed when it is asked to freeze right after a restart",
  ["a", "b"],
  async (cluster) => {
    const leader = await cluster.elected();
    const texts = Array.from({ length: 600 }, (_, i) => `${i}`); // more than it applies in one turn
    await cluster.settle(Promise.all(texts.map((text) => cluster.write(leader, text))));
    await cluster.converged();
    await unconfirmed(cluster, leader);
    await cluster.settle(leader.consensus.freeze());
    cluster.crash(leader.id);
    const starting = cluster.start(leader.id);
    const back = cluster.node(leader.id);
    const { promise: frozen, resolve } = Promise.withResolvers<void>();
    const ignore = back.consensus.onChange(({ engine }) => {
      if (engine !== "promised") return;
      ignore();
      assert.ok(back.machine.commands.length < texts.length, "it still applies what was committed");
      resolve(back.consensus.freeze());
    });
    await cluster.settle(frozen);
    assert.equal(back.machine.commands, [...texts, "tail"]);
    await starting;
  },
  { driver: { applyBudgetMs: 0 } },
);

it("takes no part while it is held, until it is released", async () => {
  const cluster = new RaftCluster(["a"], { driver: { held: true } });
  try {
    const node = await cluster.start("a");
    await pass(cluster, 20_000);
    assert.is(node.consensus.status().engine, "held");
    assert.is(node.consensus.status().role, "follower");
    await cluster.settle(node.consensus.release());
    await cluster.elected();
    assert.is(node.consensus.status().engine, "running");
  } finally {
    await cluster.stopAll();
  }
});

/** What a disk says about the change: nothing of it, or all. */
function sideOf(disk: MemoryDisk, before: MemoryDisk): "old" | "new" {
  const { id } = currentGeneration(must(disk.lineage ?? undefined, "it was opened"));
  const forced = disk.entries.some(({ type }) => type === EntryType.forceConfig);
  const term = disk.hardState.term > before.hardState.term;
  if (id === clusterGeneration) {
    assert.is(forced || term, false, "nothing of the new generation is there");
    return "old";
  }
  assert.ok(forced && term, "all of the new generation is there");
  return "new";
}

it("is in the old generation or in the new one after a crash at any write", async () => {
  const seen = new Set<string>();
  for (let crashAt = 0; !seen.has("finished"); crashAt += 1) {
    let writes = -1;
    let die = (): void => {};
    const hooks = {
      beforeWrite: (): void => {
        if (writes >= 0 && writes++ === crashAt) die();
      },
    };
    const cluster = new RaftCluster(["a", "b"], { hooks: (id) => (id === "a" ? hooks : {}) });
    await cluster.startAll();
    const leader = await cluster.elected();
    await cluster.settle(cluster.write(leader, "1"));
    await cluster.converged();
    const node = cluster.node("a");
    cluster.lets = () => false;
    const before = Object.assign(Object.create(null) as MemoryDisk, cluster.disks.get("a"));
    let crashed = false;
    die = (): void => {
      crashed = true;
      cluster.crash("a");
    };
    writes = 0;
    const forcing = force(cluster, [node]).catch(() => undefined);
    const outcome = { done: false };
    void forcing.then(() => (outcome.done = true));
    await cluster.clock.until("it is done or dead", () => crashed || outcome.done);
    writes = -1;
    if (!crashed) {
      seen.add("finished");
      cluster.crash("a");
    }
    await pass(cluster, 10);
    const disk = must(cluster.disks.get("a"), "it has a disk");
    seen.add(sideOf(disk, before));
    const back = await cluster.start("a");
    const side = back.consensus.generation().id === clusterGeneration ? "old" : "new";
    assert.is(side, sideOf(disk, before));
    const texts = disk.entries.map(({ data }) => Buffer.from(data).toString());
    assert.ok(texts.includes("1"), "what was acknowledged is in the log");
    if (side === "new") {
      await cluster.clock.until("it leads", () => back.machine.commands.length === 1);
    }
    await cluster.stopAll();
  }
  assert.equal([...seen].sort(), ["finished", "new", "old"]);
});

it.run();
