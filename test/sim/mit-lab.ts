/**
 * The test bed of MIT's course 6.5840, lab 3, on this simulator: servers that are connected and disconnected, crashed
 * and started, and `one(command)`: get this committed on so many servers. The servers are production's, with proposals
 * of any bytes; all invariants of the simulator hold meanwhile. Unreliable = messages are lost or late, as in the lab's
 * network. Nobody is evicted and nobody demoted: the lab knows no changes of the configuration.
 */
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { type Random } from "../../src/base/random.ts";
import { defaultAutopilotLimits } from "../../src/consensus/driver/autopilot-plan.ts";
import { type Index } from "../../src/consensus/core/types.ts";
import { SimCluster } from "./cluster.ts";
import { type SimNode } from "./node.ts";
import * as production from "./production.ts";
import { calm, drawProfile, type Profile } from "./profile.ts";
import { concerns, stream } from "./streams.ts";
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
  readonly #places = new Map<Uint8Array, Index>();

  constructor(options: LabOptions) {
    const { seed } = options;
    this.random = stream(seed, concerns.scenario);
    this.cluster = new SimCluster({
      seed,
      profile: labProfile(options),
      production,
      direct: true,
      traceLines: 100,
    });
    this.cluster.onProposed = (data, first) => {
      for (const [i, one] of data.entries()) this.#places.set(one, first + i);
    };
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
    return node.process !== null && !this.#disconnected.has(node.id);
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
        const slot = this.cluster.slotOf(id) ?? 0;
        this.cluster.network.cut(slot, other.slot, "silent");
        this.cluster.network.cut(other.slot, slot, "silent");
      }
    }
  }

  crash(...nodes: readonly SimNode[]): void {
    for (const node of nodes) node.holdDown();
  }

  start(...nodes: readonly SimNode[]): void {
    for (const node of nodes) node.start();
  }

  pass(ms: number): void {
    this.cluster.runFor(ms);
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
      (node) => this.isConnected(node) && node.view.leads !== null,
    );
    return leaders.sort((a, b) => b.view.term - a.view.term)[0] ?? null;
  }

  checkNoLeader(): void {
    require(this.connectedLeader() === null, () => "a connected server leads without a majority");
  }

  /** The term all connected servers agree on. */
  checkTerms(): number {
    const connected = this.servers.filter((node) => this.isConnected(node));
    const terms = new Set(connected.map((node) => node.view.term));
    require(terms.size === 1, () => `servers disagree on the term: ${[...terms].join(" ")}`);
    return [...terms][0] ?? 0;
  }

  propose(node: SimNode, ...commands: readonly string[]): Index | null {
    const { process } = node;
    const [first, ...others] = commands.map((command) => new TextEncoder().encode(command));
    if (process === null || first === undefined) return null;
    for (const one of [first, ...others]) {
      process.consensus.propose(one).catch(() => {
        // The lab looks at what is committed, not at what proposers hear.
      });
    }
    this.cluster.runFor(turnMs);
    return this.#places.get(first) ?? null;
  }

  /** The payload committed at `index`, as text. */
  committedText(index: Index): string | null {
    const entry = this.cluster.committedEntry(index);
    return entry === null ? null : new TextDecoder().decode(entry.data);
  }

  /** Index of the newest snapshot of a server. */
  snapshotOf(node: SimNode): Index {
    return node.process?.consensus.status().snapshotIndex ?? 0;
  }

  /** How many servers applied the entry at `index`. */
  appliedBy(index: Index): number {
    return this.servers.filter((node) => (node.process?.machine.appliedIndex ?? 0) >= index).length;
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
        if (this.committedText(index) === command) return index;
        break;
      }
    }
    require(false, () => `"${command}" was not agreed on by ${expected} servers`);
    return 0;
  }
}

/** A node takes a proposal up in its next turn. */
const turnMs = 0.2;

function labProfile(options: LabOptions): Profile {
  const { servers, unreliable = false, reordering = false, snapshotEvery = 1e9 } = options;
  const base = drawProfile(stream(1, concerns.profile), 0);
  return {
    ...base,
    ...{ faults: calm, haste: 0, killAtIo: 0, clockDrift: 0.02, encoded: false },
    driver: { snapshotEntries: snapshotEvery, trailingEntries: 0 },
    autopilot: { ...defaultAutopilotLimits, maxVoters: 9, minVoters: 9, demoteAfterMs: 1e9 },
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
  };
}
