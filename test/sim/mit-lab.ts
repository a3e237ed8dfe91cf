/**
 * The test bed of MIT's course 6.5840, lab 3, on this simulator: servers that are connected and disconnected, crashed
 * and started, and `one(command)`: get this committed on so many servers. All invariants of the simulator hold
 * meanwhile. Unreliable = messages are lost or late, as in the lab's network.
 */
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { type Random } from "../../src/base/random.ts";
import { createCore } from "../../src/consensus/core/raft.ts";
import { type Index } from "../../src/consensus/core/types.ts";
import { stream, SimCluster } from "./cluster.ts";
import { type SimNode } from "./node.ts";
import { drawProfile, type Profile } from "./profile.ts";
import { require } from "./violation.ts";

export const electionMs = 1000;

export interface LabOptions {
  readonly servers: number;
  readonly seed: number;
  readonly unreliable?: boolean;
  readonly reordering?: boolean;
  /** Take a snapshot after so many applied entries. */
  readonly snapshotEvery?: number;
}

export class MitLab {
  readonly cluster: SimCluster;
  readonly random: Random;
  readonly #disconnected = new Set<string>();
  readonly #snapshotEvery: number;

  constructor(options: LabOptions) {
    const { seed, snapshotEvery = 0 } = options;
    this.random = stream(seed, 9);
    this.#snapshotEvery = snapshotEvery;
    this.cluster = new SimCluster({
      seed,
      profile: labProfile(options),
      createCore,
      ackEarly: false,
      direct: true,
      traceLines: 100,
    });
    this.cluster.start();
  }

  get servers(): readonly SimNode[] {
    return this.cluster.nodes;
  }

  server(i: number): SimNode {
    return this.servers[i % this.servers.length] as SimNode;
  }

  indexOf(node: SimNode): number {
    return this.servers.indexOf(node);
  }

  isConnected(node: SimNode): boolean {
    return node.core !== null && !this.#disconnected.has(node.id);
  }

  disconnect(...nodes: readonly SimNode[]): void {
    for (const node of nodes) this.#disconnected.add(node.id);
    this.#wire();
  }

  connect(...nodes: readonly SimNode[]): void {
    for (const node of nodes) this.#disconnected.delete(node.id);
    this.#wire();
  }

  #wire(): void {
    this.cluster.network.healAll();
    for (const id of this.#disconnected) {
      for (const other of this.servers) {
        this.cluster.network.cut(id, other.id);
        this.cluster.network.cut(other.id, id);
      }
    }
  }

  crash(...nodes: readonly SimNode[]): void {
    for (const node of nodes) node.crash();
  }

  start(...nodes: readonly SimNode[]): void {
    for (const node of nodes) node.start();
  }

  pass(ms: number): void {
    if (this.#snapshotEvery === 0) {
      this.cluster.runFor(ms);
      return;
    }
    for (let passed = 0; passed < ms; passed += 50) {
      this.cluster.runFor(50);
      for (const node of this.servers) this.#snapshot(node);
    }
  }

  #snapshot(node: SimNode): void {
    const behind = node.machine.state.index - (node.view.disk.snapshot?.index ?? 0);
    if (behind >= this.#snapshotEvery) node.compact(0);
  }

  /** Exactly one leader per term, and one among the connected within a few election timeouts. */
  checkOneLeader(): SimNode {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      this.pass(electionMs / 2);
      const leader = this.connectedLeader();
      if (leader !== null) return leader;
    }
    require(false, () => "no leader among the connected servers");
    return this.server(0);
  }

  connectedLeader(): SimNode | null {
    const leaders = this.servers.filter(
      (node) => this.isConnected(node) && node.core?.status().role === "leader",
    );
    return leaders.sort((a, b) => b.view.term - a.view.term)[0] ?? null;
  }

  checkNoLeader(): void {
    require(this.connectedLeader() === null, () => "a connected server leads without a majority");
  }

  /** The term all connected servers agree on. */
  checkTerms(): number {
    const connected = this.servers.filter((node) => this.isConnected(node));
    const terms = new Set(connected.map((node) => node.core?.status().term ?? 0));
    require(terms.size === 1, () => `servers disagree on the term: ${[...terms].join(" ")}`);
    return [...terms][0] ?? 0;
  }

  propose(node: SimNode, ...commands: readonly string[]): Index | null {
    let index: Index | null = null;
    const data = commands.map((command) => new TextEncoder().encode(command));
    node.with((core) => {
      const result = core.propose(data);
      if (result.ok) index = result.first;
    });
    return index;
  }

  /** How many servers applied the entry at `index`. */
  appliedBy(index: Index): number {
    return this.servers.filter((node) => node.core !== null && node.machine.state.index >= index)
      .length;
  }

  /** Gets `command` committed and applied by `expected` servers. */
  one(command: string, expected: number): Index {
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const leader = this.connectedLeader();
      const index = leader === null ? null : this.propose(leader, command);
      if (index === null) {
        this.pass(electionMs / 4);
        continue;
      }
      for (let wait = 0; wait < 40; wait += 1) {
        this.pass(50);
        if (this.appliedBy(index) < expected) continue;
        if (this.cluster.invariants.committedText(index) === command) return index;
        break;
      }
    }
    require(false, () => `"${command}" was not agreed on by ${expected} servers`);
    return 0;
  }
}

function labProfile({ servers, unreliable = false, reordering = false }: LabOptions): Profile {
  const base = drawProfile(stream(1, 0), 0);
  return {
    ...base,
    nodes: servers,
    voters: servers,
    net: {
      latencyMs: unreliable ? 14 : 1,
      spikeMs: reordering ? 2400 : 0,
      spikeChance: reordering ? 0.66 : 0,
      lossChance: unreliable ? 0.1 : 0,
      duplicateChance: 0,
      fifo: !unreliable && !reordering,
    },
    disk: { syncMs: 1, spikeMs: 0, spikeChance: 0 },
    core: { ...defaultCoreOptions, electionTicks: 10, heartbeatTicks: 2, evictTicks: 0 },
    loadMs: 2,
  };
}
