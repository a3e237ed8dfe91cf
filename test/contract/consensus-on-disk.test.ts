/** The whole node on real disks and real time: what a cluster acknowledged is there after all of it was restarted. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../src/base/assert.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { systemRandom } from "../../src/base/random.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { createCore } from "../../src/consensus/core/raft.ts";
import {
  createConsensusNode,
  type MeasuredConsensusNode,
} from "../../src/consensus/driver/driver.ts";
import { defaultDriverOptions } from "../../src/consensus/driver/options.ts";
import { immediateScheduler } from "../../src/consensus/driver/scheduler.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { type Generation } from "../../src/consensus/lineage/types.ts";
import { readWatermark } from "../../src/consensus/storage/meta-file.ts";
import { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
import {
  clusterLineage,
  ListMachine,
  MemoryTransport,
  type Carrier,
} from "../support/raft-cluster.ts";

const it = suite("consensus on disk");

interface Running {
  readonly node: MeasuredConsensusNode<string>;
  readonly machine: ListMachine;
}

class DiskCluster implements Carrier {
  readonly running = new Map<string, Running>();
  readonly #transports = new Map<string, MemoryTransport>();
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async start(id: string): Promise<void> {
    const directory = path.join(this.#root, id);
    const machine = new ListMachine();
    const transport = new MemoryTransport(id, this);
    this.#transports.set(id, transport);
    const limits = { snapshotEntries: 300, trailingEntries: 50, transferOnStopMs: 0 };
    const node = createConsensusNode<string>(
      {
        ...defaultDriverOptions,
        ...limits,
        self: id,
        lineage: clusterLineage,
        bootstrap: simpleConfiguration(["a", "b", "c"]),
      },
      {
        createCore,
        log: new LevelLogStore({ ...defaultLevelLogOptions, directory }, { clock: systemClock }),
        snapshots: new SnapshotFiles(
          { directory: path.join(directory, "snapshots"), maxBytes: 1 << 30 },
          { logger: silentLogger },
        ),
        stateMachine: machine,
        transport,
        clock: systemClock,
        random: systemRandom,
        scheduler: immediateScheduler,
        logger: silentLogger,
      },
    );
    await node.start(new AbortController().signal);
    this.running.set(id, { node, machine });
  }

  async stop(id: string): Promise<void> {
    await this.running.get(id)?.node.stop();
    this.running.delete(id);
    this.#transports.delete(id);
  }

  async leader(): Promise<MeasuredConsensusNode<string>> {
    for (let i = 0; i < 600; i += 1) {
      for (const { node } of this.running.values()) {
        if (node.status().role === "leader" && !node.status().quorumLost) return node;
      }
      await delay(systemClock, 50);
    }
    throw new Error("no leader within 30 s");
  }

  carry(from: string, to: string, frame: Uint8Array): boolean {
    const target = this.#transports.get(to);
    if (target === undefined) return false;
    setImmediate(() => target.deliver(from, frame));
    return true;
  }

  reachable(_from: string, to: string): { readonly transport: MemoryTransport } | null {
    const transport = this.#transports.get(to);
    return transport === undefined ? null : { transport };
  }
}

it("keeps what it acknowledged over snapshots and a restart of all", async () => {
  const root = await mkdtemp(path.join(tmpdir(), "muster-consensus-"));
  const cluster = new DiskCluster(root);
  try {
    for (const id of ["a", "b", "c"]) await cluster.start(id);
    const leader = await cluster.leader();
    const written: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const texts = Array.from({ length: 100 }, (_, i) => `${round}.${i}`);
      await Promise.all(texts.map((text) => leader.propose(Buffer.from(text))));
      written.push(...texts);
    }
    assert.ok(leader.metrics.snapshotsTaken > 0);
    assert.is(leader.metrics.snapshotsFailed, 0);
    for (const id of ["a", "b", "c"]) await cluster.stop(id);
    for (const id of ["a", "b", "c"]) await cluster.start(id);
    const again = await cluster.leader();
    await again.propose(Buffer.from("after"));
    await again.readBarrier(5000);
    for (const { node, machine } of cluster.running.values()) {
      await node.waitApplied(again.status().commit, 10_000);
      assert.equal(machine.commands, [...written, "after"]);
    }
  } finally {
    for (const id of ["a", "b", "c"]) await cluster.stop(id);
    await rm(root, { recursive: true, force: true });
  }
});

it("is in its new generation after a restart, with everything it kept", async () => {
  const root = await mkdtemp(path.join(tmpdir(), "muster-generation-"));
  const cluster = new DiskCluster(root);
  try {
    for (const id of ["a", "b", "c"]) await cluster.start(id);
    await (await cluster.leader()).propose(Buffer.from("1"));
    await (await cluster.leader()).readBarrier(5000);
    for (const id of ["b", "c"]) await cluster.stop(id);
    const { node } = must(cluster.running.get("a"), "it runs");
    const { id: parent } = node.generation();
    const ballot = { counter: 1, node: "a" };
    await node.promise({ parent, ballot, accepted: null });
    const { last: forkIndex, lastTerm: forkTerm, commit, term } = node.status();
    const forkChain = must((await node.chainAt(forkIndex)) ?? undefined, "it has a chain");
    const child: Generation = {
      ...{ n: 2, id: "f".repeat(32), parent, kind: "forced-operator", coordinator: "a" },
      ...{ forkIndex, forkTerm, forkChain, legitCommit: commit, members: ["a"], lost: ["b", "c"] },
      ...{ outlived: true, missingAtMost: 0, at: 0 },
    };
    await node.promise({ parent, ballot, accepted: { ballot, child } });
    await node.enter({ kind: "force", child, term: term + 1 });
    await (await cluster.leader()).propose(Buffer.from("2"));
    await cluster.stop("a");
    const watermark = await readWatermark(path.join(root, "a"));
    assert.equal(watermark?.generation, { n: 2, id: child.id });
    assert.equal(watermark?.voters, ["a"]);
    await cluster.start("a");
    const again = await cluster.leader();
    assert.equal(again.generation(), child);
    assert.is(await again.chainAt(forkIndex), forkChain);
    assert.equal(cluster.running.get("a")?.machine.commands, ["1", "2"]);
    // Another one comes back with the log of before, and follows.
    await cluster.start("b");
    const other = must(cluster.running.get("b"), "it runs");
    await other.node.enter({ kind: "adopt", generations: again.lineage().generations });
    assert.ok(again.proposeConfig({ op: "addStandby", node: "b" }).ok);
    await other.node.waitApplied(again.status().last, 10_000);
    assert.equal(other.machine.commands, ["1", "2"]);
  } finally {
    for (const id of ["a", "b", "c"]) await cluster.stop(id);
    await rm(root, { recursive: true, force: true });
  }
});

it.run();
