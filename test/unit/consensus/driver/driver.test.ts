import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../../src/base/assert.ts";
import { isAgentError } from "../../../../src/base/errors.ts";
import { MemorySnapshots } from "../../../support/memory-snapshots.ts";
import {
  type ClusterOptions,
  clusterGeneration,
  RaftCluster,
} from "../../../support/raft-cluster.ts";

const it = suite("consensus driver");

const three = ["a", "b", "c"];

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
    } finally {
      await cluster.stopAll();
    }
  });
}

function codeOf(error: unknown): string {
  return isAgentError(error) ? error.code : String(error);
}

on("answers a proposal with its result, and every replica applies it", three, async (cluster) => {
  const leader = await cluster.elected();
  const applied = await cluster.settle(leader.consensus.propose(Buffer.from("one")));
  assert.is(applied.result, "#1");
  await cluster.converged();
  for (const { consensus, machine } of cluster.nodes.values()) {
    assert.equal(machine.commands, ["one"]);
    assert.is(consensus.resultAt(applied.index, applied.term), "#1");
    assert.is(consensus.resultAt(applied.index, applied.term + 1), null);
  }
});

on("refuses a proposal on a follower and names the leader", three, async (cluster) => {
  const leader = await cluster.elected();
  const [follower] = cluster.followers();
  const error = await follower?.consensus.propose(Buffer.from("x")).catch((e: unknown) => e);
  assert.is(codeOf(error), "NOT_LEADER");
  assert.is(isAgentError(error) && error.details["leader"], leader.id);
});

on("carries 2000 concurrent proposals in order of their indexes", three, async (cluster) => {
  const leader = await cluster.elected();
  const all = Array.from({ length: 2000 }, (_, i) => leader.consensus.propose(Buffer.from(`${i}`)));
  const applied = await cluster.settle(Promise.all(all));
  const indexes = applied.map(({ index }) => index);
  assert.equal(
    [...indexes].sort((x, y) => x - y),
    indexes,
  );
  assert.is(new Set(indexes).size, 2000);
  await cluster.converged();
  assert.is(leader.machine.commands.length, 2000);
  const { writes, proposals } = leader.consensus.metrics;
  assert.is(proposals, 2000);
  assert.ok(writes < 100, `${writes} writes for 2000 proposals`);
});

on(
  "has one write under way, and merges what waits",
  ["a"],
  async (cluster) => {
    const leader = await cluster.elected();
    const before = leader.consensus.metrics.writes;
    const all: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i += 1) {
      all.push(leader.consensus.propose(Buffer.from(`${i}`)));
      await cluster.clock.advance(1);
    }
    await cluster.settle(Promise.all(all));
    assert.ok(leader.consensus.metrics.writes - before <= 7);
    assert.is(leader.machine.commands.length, 50);
  },
  { writeMs: 10 },
);

it("does not acknowledge on a single node before its own disk has the entry", async () => {
  let release: () => void = () => {};
  let hold = false;
  const hooks = {
    beforeWrite: (): Promise<void> =>
      hold ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve(),
  };
  const cluster = new RaftCluster(["a"], { hooks: () => hooks });
  await cluster.startAll();
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "first"));
  hold = true;
  let answered = false;
  const write = cluster.write(leader, "second").then(() => (answered = true));
  await cluster.clock.advance(500);
  assert.not(answered);
  assert.equal(leader.machine.commands, ["first"]);
  hold = false;
  release();
  await cluster.settle(write);
  assert.ok(answered);
  await cluster.stopAll();
});

on("elects another leader when the leader's process dies", three, async (cluster) => {
  const old = await cluster.elected();
  await cluster.settle(cluster.write(old, "one"));
  cluster.crash(old.id);
  const begun = cluster.clock.monotonicMs();
  const leader = await cluster.elected();
  assert.is.not(leader.id, old.id);
  assert.ok(cluster.clock.monotonicMs() - begun < 1000, "a closed connection is evidence enough");
  await cluster.settle(cluster.write(leader, "two"));
  const back = await cluster.start(old.id);
  await cluster.converged();
  assert.equal(back.machine.commands, ["one", "two"]);
});

on("says that the outcome is unknown when nobody can commit", three, async (cluster) => {
  const leader = await cluster.elected();
  for (const follower of cluster.followers()) cluster.crash(follower.id);
  const outcome = leader.consensus.propose(Buffer.from("lost?")).catch(codeOf);
  assert.is(await cluster.settle(outcome), "UNKNOWN_OUTCOME");
});

on("answers an abandoned proposal as unknown, once", three, async (cluster) => {
  const leader = await cluster.elected();
  const control = new AbortController();
  const outcome = leader.consensus.propose(Buffer.from("x"), control.signal).catch(codeOf);
  await cluster.clock.advance(0);
  control.abort();
  assert.is(await cluster.settle(outcome), "UNKNOWN_OUTCOME");
  await cluster.converged();
  assert.is(leader.consensus.metrics.pendingProposals, 0);
});

on("tells at once when another leader's entry took the place", three, async (cluster) => {
  const old = await cluster.elected();
  cluster.lets = (from, to) => from !== old.id && to !== old.id;
  const outcome = old.consensus.propose(Buffer.from("overwritten")).catch(codeOf);
  await cluster.clock.until("another leads", () => (cluster.leader()?.id ?? old.id) !== old.id);
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "kept"));
  cluster.lets = () => true;
  assert.is(await cluster.settle(outcome), "UNKNOWN_OUTCOME");
  await cluster.converged();
  assert.equal(old.machine.commands, ["kept"]);
});

on("reads what was committed before, on every agent", three, async (cluster) => {
  const leader = await cluster.elected();
  const { index } = await cluster.settle(leader.consensus.propose(Buffer.from("one")));
  for (const { consensus, machine } of cluster.nodes.values()) {
    const barrier = await cluster.settle(consensus.readBarrier(1000));
    assert.ok(barrier >= index);
    assert.equal(machine.commands, ["one"]);
  }
});

on("refuses a read when no quorum confirms it in time", three, async (cluster) => {
  const leader = await cluster.elected();
  for (const follower of cluster.followers()) cluster.crash(follower.id);
  assert.is(await cluster.settle(leader.consensus.readBarrier(800).catch(codeOf)), "NO_LEADER");
});

on("batches the reads of one turn into one round", three, async (cluster) => {
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "x"));
  await cluster.clock.advance(1000);
  const before = leader.consensus.metrics.messagesOut;
  const reads = Array.from({ length: 500 }, () => leader.consensus.readBarrier(1000));
  await cluster.settle(Promise.all(reads));
  assert.ok(leader.consensus.metrics.messagesOut - before < 10);
});

on("waits until an index is applied, or says that it was not", three, async (cluster) => {
  const leader = await cluster.elected();
  const [follower] = cluster.followers();
  if (follower === undefined) return;
  const { index } = await cluster.settle(leader.consensus.propose(Buffer.from("one")));
  await cluster.settle(follower.consensus.waitApplied(index, 1000));
  assert.equal(follower.machine.commands, ["one"]);
  const never = follower.consensus.waitApplied(index + 100, 300).catch(codeOf);
  assert.is(await cluster.settle(never), "APPLY_TIMEOUT");
});

on(
  "refuses more than it can keep, with a time to retry",
  three,
  async (cluster) => {
    const leader = await cluster.elected();
    const all = Array.from({ length: 30 }, (_, i) =>
      leader.consensus.propose(Buffer.from(`${i}`)).then(() => "ok", codeOf),
    );
    const outcomes = await cluster.settle(Promise.all(all));
    assert.is(outcomes.filter((outcome) => outcome === "ok").length, 20);
    assert.is(outcomes.filter((outcome) => outcome === "BUSY").length, 10);
    assert.is(await cluster.settle(cluster.write(leader, "later")), "#21");
    const large = leader.consensus.propose(Buffer.alloc(300_000)).catch(codeOf);
    assert.is(await large, "TOO_LARGE");
  },
  { driver: { maxPendingProposals: 20 } },
);

on(
  "replays log and snapshot after a restart of all",
  three,
  async (cluster) => {
    const leader = await cluster.elected();
    for (let i = 0; i < 250; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    await cluster.converged();
    const before = leader.machine.hash();
    assert.ok(leader.consensus.metrics.snapshotsTaken >= 2);
    assert.ok((cluster.disks.get(leader.id)?.first ?? 0) > 100, "the log was compacted");
    for (const id of three) cluster.crash(id);
    await cluster.startAll();
    await cluster.elected();
    await cluster.converged();
    assert.is(cluster.leader()?.machine.hash(), before);
  },
  { driver: { snapshotEntries: 100, trailingEntries: 20 } },
);

on(
  "installs a snapshot on a follower that fell behind the log",
  three,
  async (cluster) => {
    const leader = await cluster.elected();
    const [follower] = cluster.followers();
    if (follower === undefined) return;
    cluster.crash(follower.id);
    for (let i = 0; i < 250; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    const back = await cluster.start(follower.id);
    await cluster.converged();
    assert.is(back.consensus.metrics.snapshotsInstalled, 1);
    assert.is(back.machine.commands.length, 250);
    await cluster.settle(cluster.write(leader, "after"));
    await cluster.converged();
    cluster.crash(follower.id);
    const again = await cluster.start(follower.id);
    await cluster.converged();
    assert.is(again.machine.commands.at(-1), "after");
  },
  { driver: { snapshotEntries: 100, trailingEntries: 20 } },
);

for (const [title, bytes, installed] of [
  ["catches up by one snapshot, however many more are taken during its transfer", 1 << 20, 1],
  ["keeps the log no longer for a transfer than it is as short as another snapshot", 1, 2],
] as const) {
  on(
    title,
    three,
    async (cluster) => {
      const leader = await cluster.elected();
      const follower = must(cluster.followers()[0], "there are followers");
      cluster.crash(follower.id);
      for (let i = 0; i < 250; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
      const { promise: slow, resolve: arrives } = Promise.withResolvers<void>();
      let begun = false;
      const send = leader.transport.sendSnapshot.bind(leader.transport);
      leader.transport.sendSnapshot = async (...job) => {
        begun = true;
        await slow;
        return send(...job);
      };
      const back = await cluster.start(follower.id);
      await cluster.clock.until("a transfer begins", () => begun);
      for (let i = 0; i < 2000; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
      arrives();
      await cluster.converged();
      assert.is(back.consensus.metrics.snapshotsInstalled, installed);
    },
    { driver: { snapshotEntries: 100, trailingEntries: 20, trailingBytes: bytes } },
  );
}

on("leads at once when it is the only voter", ["a"], async (cluster) => {
  await cluster.clock.advance(20);
  assert.is(cluster.node("a").consensus.status().role, "leader");
});

on(
  "compacts behind a snapshot, but for the trailing entries",
  ["a"],
  async (cluster) => {
    const node = await cluster.elected();
    for (let i = 0; i < 150; i += 1) await cluster.settle(cluster.write(node, `${i}`));
    const { snapshotIndex } = node.consensus.status();
    assert.ok(snapshotIndex >= 100);
    assert.is(cluster.disks.get("a")?.first, snapshotIndex - 20 + 1);
    assert.is(cluster.shelves.get("a")?.complete.length, 1);
  },
  { driver: { snapshotEntries: 100, trailingEntries: 20 } },
);

on(
  "puts into a snapshot the configuration that was in force at its index",
  ["a"],
  async (cluster) => {
    const leader = await cluster.elected();
    const joining = await cluster.start("b", false);
    const added = leader.consensus.proposeConfig({ op: "addStandby", node: "b" });
    assert.ok(added.ok);
    await cluster.converged();
    cluster.crash("b");
    for (let i = 0; i < 150; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    const own = cluster.shelves.get("a")?.newest?.meta.config;
    assert.is(own?.index, added.ok && added.first);
    assert.equal(own?.standbys, ["b"]);
    const back = await cluster.start(joining.id, false);
    await cluster.converged();
    assert.is(back.consensus.metrics.snapshotsInstalled, 1);
    for (let i = 0; i < 150; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    await cluster.converged();
    await cluster.clock.until(
      "it took one itself",
      () => back.consensus.metrics.snapshotsTaken > 0,
    );
    assert.equal(cluster.shelves.get("b")?.newest?.meta.config, own);
  },
  { driver: { snapshotEntries: 100, trailingEntries: 20 } },
);

on(
  "cannot tell the outcome of a proposal whose place came with a snapshot",
  three,
  async (cluster) => {
    const old = await cluster.elected();
    cluster.lets = (from, to) => from !== old.id && to !== old.id;
    const outcome = old.consensus.propose(Buffer.from("x")).catch(codeOf);
    await cluster.clock.until("another leads", () => (cluster.leader()?.id ?? "") !== old.id);
    const leader = await cluster.elected();
    for (let i = 0; i < 150; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
    cluster.lets = () => true;
    assert.is(await cluster.settle(outcome), "UNKNOWN_OUTCOME");
    assert.is(old.consensus.metrics.snapshotsInstalled, 1);
    await cluster.converged();
  },
  { driver: { snapshotEntries: 100, trailingEntries: 20, proposalTimeoutMs: 600_000 } },
);

on("finishes the installation of a snapshot that a crash interrupted", three, async (cluster) => {
  const leader = await cluster.elected();
  for (let i = 0; i < 10; i += 1) await cluster.settle(cluster.write(leader, `${i}`));
  const [follower] = cluster.followers();
  const disk = cluster.disks.get(follower?.id ?? "");
  const shelf = cluster.shelves.get(follower?.id ?? "");
  if (follower === undefined || disk === undefined || shelf === undefined) return;
  await cluster.converged();
  const { term, committed } = leader.consensus.status();
  cluster.crash(follower.id);
  const { index, bytes } = leader.machine.snapshot();
  await new MemorySnapshots(shelf).create(
    { index, term, config: committed, chain: "ab".repeat(16), generation: clusterGeneration },
    bytes,
  );
  disk.entries = disk.entries.slice(0, 2);
  disk.hardState = { ...disk.hardState, commit: 2 };
  const back = await cluster.start(follower.id);
  assert.is(back.machine.commands.length, 10);
  assert.is(disk.first, index + 1);
  await cluster.settle(cluster.write(leader, "more"));
  await cluster.converged();
});

it("falls silent when its disk fails, and the others go on", async () => {
  let broken = "";
  const cluster = new RaftCluster(three, {
    hooks: (id) => ({
      beforeWrite: () => {
        if (id === broken) throw new Error("input/output error");
      },
    }),
  });
  await cluster.startAll();
  const old = await cluster.elected();
  await cluster.settle(cluster.write(old, "one"));
  broken = old.id;
  const outcome = old.consensus.propose(Buffer.from("two")).catch(codeOf);
  const code = await cluster.settle(outcome);
  assert.is(code, "UNKNOWN_OUTCOME");
  assert.ok(cluster.failures.has(old.id));
  assert.is(old.consensus.status().health, "failed");
  assert.is(await old.consensus.propose(Buffer.from("three")).catch(codeOf), "STOPPED");
  await cluster.clock.until("another leads", () =>
    cluster.followers().some(({ consensus }) => consensus.status().role === "leader"),
  );
  const next = [...cluster.nodes.values()].find(
    ({ id, consensus }) => id !== old.id && consensus.status().role === "leader",
  );
  if (next === undefined) throw new Error("no leader");
  await cluster.settle(cluster.write(next, "four"));
  await cluster.stopAll();
});

it("gives up leadership when its disk hangs", async () => {
  let hanging = "";
  const cluster = new RaftCluster(three, {
    hooks: (id) => ({
      beforeWrite: () => (id === hanging ? new Promise<void>(() => {}) : undefined),
    }),
  });
  await cluster.startAll();
  const old = await cluster.elected();
  hanging = old.id;
  void old.consensus.propose(Buffer.from("x")).catch(() => {});
  await cluster.clock.until("the leader steps down", () => {
    return old.consensus.status().role !== "leader";
  });
  assert.is(old.consensus.metrics.diskStalls, 1);
  await cluster.clock.until("another leads", () => (cluster.leader()?.id ?? old.id) !== old.id);
  cluster.crash(old.id);
  await cluster.stopAll();
});

it("stays in office with a hanging disk where nobody could be elected without its vote", async () => {
  let hang: Promise<void> | undefined;
  let goOn: () => void = () => {};
  const cluster = new RaftCluster(["a", "b"], {
    hooks: (id) => ({ beforeWrite: () => (id === leading ? hang : undefined) }),
  });
  let leading = "";
  await cluster.startAll();
  const leader = await cluster.elected();
  leading = leader.id;
  ({ promise: hang, resolve: goOn } = Promise.withResolvers<void>());
  const write = leader.consensus.propose(Buffer.from("x"));
  await cluster.clock.until("the stall is noticed", () => leader.consensus.metrics.diskStalls > 0);
  cluster.crash(leader.id === "a" ? "b" : "a");
  hang = undefined;
  goOn();
  await cluster.settle(write);
  assert.is(
    leader.consensus.status().role,
    "leader",
    "it evicts its partner, and has lost nothing",
  );
  await cluster.stopAll();
});

on("refuses to start with a damaged log", ["a"], async (cluster) => {
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "one"));
  cluster.crash("a");
  const disk = cluster.disks.get("a");
  if (disk === undefined) return;
  disk.damage = { health: "corrupt", validTo: 1, detail: "a hole" };
  const outcome = await cluster.start("a").then(() => "started", codeOf);
  assert.is(outcome, "LOG_CORRUPT");
});

on("hands leadership over before it stops", three, async (cluster) => {
  const old = await cluster.elected();
  await cluster.settle(cluster.write(old, "one"));
  const begun = cluster.clock.monotonicMs();
  await cluster.stop(old.id);
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "two"));
  assert.ok(cluster.clock.monotonicMs() - begun < 500);
});

on("leaves the other of two able to go on alone when it stops", ["a", "b"], async (cluster) => {
  const old = await cluster.elected();
  await cluster.settle(cluster.write(old, "one"));
  await cluster.stop(old.id);
  await cluster.clock.until("the other leads alone", () => {
    const status = cluster.leader()?.consensus.status();
    return status?.effective.sets.flat().length === 1 && !status.quorumLost;
  });
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "two"));
  assert.equal(leader.machine.commands, ["one", "two"]);
});

on("settles everybody who waits when it stops", three, async (cluster) => {
  const leader = await cluster.elected();
  for (const follower of cluster.followers()) cluster.crash(follower.id);
  const waiting = [
    leader.consensus.propose(Buffer.from("x")).catch(codeOf),
    leader.consensus.readBarrier(60_000).catch(codeOf),
    leader.consensus.waitApplied(999, 60_000).catch(codeOf),
  ];
  await cluster.clock.advance(10);
  await cluster.stop(leader.id);
  assert.equal(await Promise.all(waiting), ["UNKNOWN_OUTCOME", "STOPPED", "STOPPED"]);
  assert.is(await leader.consensus.propose(Buffer.from("y")).catch(codeOf), "STOPPED");
});

on("transfers leadership on request", three, async (cluster) => {
  const old = await cluster.elected();
  const [target] = cluster.followers();
  if (target === undefined) return;
  assert.ok(await cluster.settle(old.consensus.transferLeadership(target.id, 2000)));
  assert.is((await cluster.elected()).id, target.id);
  assert.not(await cluster.settle(old.consensus.transferLeadership(null, 100)));
});

on("tells listeners of changes and of applied entries", ["a"], async (cluster) => {
  const node = await cluster.elected();
  const seen: number[] = [];
  const unsubscribe = node.consensus.onApplied((index) => seen.push(index));
  const { index } = await cluster.settle(node.consensus.propose(Buffer.from("x")));
  unsubscribe();
  await cluster.settle(node.consensus.propose(Buffer.from("y")));
  assert.equal(seen, [index]);
});

on("joins an agent that knew nobody", ["a"], async (cluster) => {
  const leader = await cluster.elected();
  await cluster.settle(cluster.write(leader, "one"));
  const joining = await cluster.start("b", false);
  assert.is(joining.consensus.status().leader, null);
  const result = leader.consensus.proposeConfig({ op: "addStandby", node: "b" });
  assert.ok(result.ok);
  await cluster.converged();
  assert.is(joining.consensus.status().leader, "a");
  assert.equal(joining.transport.peers, ["a"]);
  await cluster.clock.until(
    "the standby is ready",
    () => leader.consensus.status().peers.get("b")?.caughtUp === true,
  );
  assert.ok(leader.consensus.proposeConfig({ op: "promote", node: "b" }).ok);
  await cluster.settle(cluster.write(leader, "two"));
  await cluster.converged();
});

it.run();
