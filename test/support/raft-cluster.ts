/**
 * Whole consensus nodes (driver, core, state machine) on a virtual clock, a network and disks in memory. Links can
 * be cut, processes crash (their disks stay) and start again.
 */
import { createHash } from "node:crypto";
import { must } from "../../src/base/assert.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { createCore } from "../../src/consensus/core/raft.ts";
import {
  type Configuration,
  type Entry,
  EntryType,
  type Index,
  type Message,
  type NodeId,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import {
  createConsensusNode,
  type MeasuredConsensusNode,
} from "../../src/consensus/driver/driver.ts";
import { defaultRelayOptions, Relay, type RelayOptions } from "../../src/consensus/driver/relay.ts";
import { defaultDriverOptions, type DriverOptions } from "../../src/consensus/driver/options.ts";
import {
  type RaftTransport,
  type SnapshotSink,
  type StateMachine,
} from "../../src/consensus/driver/ports.ts";
import { decodeMessages, encodeMessages, generationOf } from "../../src/consensus/driver/wire.ts";
import { bootstrapLineage, currentGeneration } from "../../src/consensus/lineage/generation.ts";
import { MemoryDisk, type MemoryLogHooks, MemoryLogStore } from "./memory-log.ts";
import { MemorySnapshots, SnapshotShelf } from "./memory-snapshots.ts";
import { RelayLinks } from "./relay-links.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** What every agent of a cluster in memory begins with. */
export const clusterLineage = bootstrapLineage("test");
export const clusterGeneration = currentGeneration(clusterLineage).id;

/** Remembers every command; the result of one is its place among them. */
export class ListMachine implements StateMachine<string> {
  commands: string[] = [];
  appliedIndex: Index = 0;

  apply(entries: readonly Entry[]): readonly (string | null)[] {
    return entries.map((entry) => {
      if (entry.index !== this.appliedIndex + 1) throw new Error(`gap before ${entry.index}`);
      this.appliedIndex = entry.index;
      if (entry.type !== EntryType.command) return null;
      this.commands.push(Buffer.from(entry.data).toString());
      return `#${this.commands.length}`;
    });
  }

  snapshot(): { readonly index: Index; readonly bytes: AsyncIterable<Uint8Array> } {
    return { index: this.appliedIndex, bytes: chunksOf(JSON.stringify(this.commands)) };
  }

  async restore(bytes: AsyncIterable<Uint8Array>, index: Index): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const part of bytes) parts.push(part);
    this.commands = JSON.parse(Buffer.concat(parts).toString()) as string[];
    this.appliedIndex = index;
  }

  hash(): string {
    return createHash("sha256").update(JSON.stringify(this.commands)).digest("hex");
  }
}

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 4096) {
    yield await Promise.resolve(bytes.subarray(at, at + 4096));
  }
}

/** What a transport in memory sends through. */
export interface Carrier {
  /** Takes one frame; false when there is nobody to take it to. */
  carry(from: NodeId, to: NodeId, frame: Uint8Array): boolean;
  reachable(from: NodeId, to: NodeId): { readonly transport: MemoryTransport } | null;
}

export class MemoryTransport implements RaftTransport {
  readonly self: NodeId;
  readonly #cluster: Carrier;
  receive: (from: NodeId, messages: readonly Message[]) => void = () => {};
  notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void = () => {};
  accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null> = () =>
    Promise.resolve(null);
  foreign: (from: NodeId, id: string) => void = () => {};
  peers: readonly NodeId[] = [];
  generation = "0".repeat(32);
  dead = false;

  constructor(self: NodeId, cluster: Carrier) {
    this.self = self;
    this.#cluster = cluster;
  }

  send(to: NodeId, messages: readonly Message[]): boolean {
    return (
      !this.dead && this.#cluster.carry(this.self, to, encodeMessages(messages, this.generation))
    );
  }

  onMessages(receive: (from: NodeId, messages: readonly Message[]) => void): void {
    this.receive = receive;
  }

  onPeer(notify: (id: NodeId, up: boolean, evidence: "closed" | "timeout") => void): void {
    this.notify = notify;
  }

  onSnapshot(accept: (from: NodeId, meta: SnapshotMeta) => Promise<SnapshotSink | null>): void {
    this.accept = accept;
  }

  setPeers(peers: readonly NodeId[]): void {
    this.peers = peers;
  }

  setGeneration(id: string): void {
    this.generation = id;
  }

  onForeignGeneration(notify: (from: NodeId, id: string) => void): void {
    this.foreign = notify;
  }

  /** A frame arrives. */
  deliver(from: NodeId, frame: Uint8Array): void {
    const generation = generationOf(frame);
    if (generation !== this.generation) this.foreign(from, generation);
    else this.receive(from, must(decodeMessages(frame) ?? undefined, "frames are well formed"));
  }

  async sendSnapshot(
    to: NodeId,
    meta: SnapshotMeta,
    read: (offset: number) => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const peer = this.#cluster.reachable(this.self, to);
    if (peer !== null && peer.transport.generation !== this.generation) return false;
    const sink = (await peer?.transport.accept(this.self, meta)) ?? null;
    if (sink === null) return false;
    for await (const chunk of read(sink.offset)) {
      const now = this.#cluster.reachable(this.self, to)?.transport;
      const lost = now !== peer?.transport || this.dead;
      if (lost || signal.aborted) {
        await sink.abort();
        return false;
      }
      await sink.write(chunk);
    }
    await sink.finish();
    return true;
  }
}

export interface ClusterNode {
  readonly id: NodeId;
  readonly consensus: MeasuredConsensusNode<string>;
  readonly machine: ListMachine;
  readonly transport: MemoryTransport;
  readonly log: MemoryLogStore;
  readonly relay: Relay | null;
}

export interface ClusterOptions {
  readonly seed?: number;
  readonly driver?: Partial<Omit<DriverOptions, "self" | "bootstrap" | "lineage">>;
  readonly hooks?: (id: NodeId) => MemoryLogHooks;
  /** Milliseconds a write takes. */
  readonly writeMs?: number;
  /** Who is not streamed to pulls from others, all of whom are its neighbours. */
  readonly relay?: Partial<RelayOptions>;
}

export class RaftCluster implements Carrier {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<NodeId, ClusterNode>();
  readonly disks = new Map<NodeId, MemoryDisk>();
  readonly shelves = new Map<NodeId, SnapshotShelf>();
  readonly failures = new Map<NodeId, Error>();
  /** Decides about each frame; false loses it. */
  lets: (from: NodeId, to: NodeId) => boolean = () => true;
  /** What a member answers to a pull instead of the truth. */
  forge: (from: NodeId, answer: unknown) => unknown = (_, answer) => answer;
  readonly #links: RelayLinks;
  readonly #options: ClusterOptions;
  readonly #bootstrap: Configuration;
  #starts = 0;

  constructor(voters: readonly NodeId[], options: ClusterOptions = {}) {
    this.#options = options;
    this.#bootstrap = simpleConfiguration(voters);
    this.#links = new RelayLinks({
      ...{ clock: this.clock, nodes: this.nodes },
      lets: (from, to) => this.lets(from, to),
      forge: (from, answer) => this.forge(from, answer),
    });
  }

  /** Starts an agent on its disk; `member` false: it knows nobody and waits to be added. */
  async start(id: NodeId, member = true): Promise<ClusterNode> {
    this.#starts += 1;
    const disk = this.disks.get(id) ?? new MemoryDisk();
    const shelf = this.shelves.get(id) ?? new SnapshotShelf();
    this.disks.set(id, disk);
    this.shelves.set(id, shelf);
    const { seed = 1, driver = {}, hooks, writeMs = 0 } = this.#options;
    const latency = writeMs === 0 ? null : { clock: this.clock, writeMs: () => writeMs };
    const log = new MemoryLogStore(disk, hooks?.(id) ?? {}, latency);
    const machine = new ListMachine();
    const transport = new MemoryTransport(id, this);
    const bootstrap = member ? this.#bootstrap : null;
    const consensus = createConsensusNode<string>(
      { ...defaultDriverOptions, ...driver, self: id, bootstrap, lineage: clusterLineage },
      {
        createCore,
        log,
        snapshots: new MemorySnapshots(shelf),
        stateMachine: machine,
        transport,
        clock: this.clock,
        random: seededRandom(seed * 1000 + this.#starts),
        scheduler: { soon: (task) => queueMicrotask(task) },
        logger: silentLogger,
        askLeader: this.#links.askLeaderOf(id),
      },
    );
    consensus.onFailure((error) => this.failures.set(id, error));
    const relay = this.#newRelay(id, consensus);
    const node = { id, consensus, machine, transport, log, relay };
    this.nodes.set(id, node);
    const starting = consensus.start(new AbortController().signal);
    await this.settle(starting);
    await relay?.start();
    return node;
  }

  #newRelay(self: NodeId, node: MeasuredConsensusNode<string>): Relay | null {
    const { relay, seed = 1 } = this.#options;
    if (relay === undefined) return null;
    const random = seededRandom(seed * 977 + this.#starts);
    const peers = this.#links.peersOf(self);
    const options = { ...defaultRelayOptions, ...relay, self };
    return new Relay(options, { node, peers, clock: this.clock, random, logger: silentLogger });
  }

  async startAll(): Promise<void> {
    for (const id of this.#bootstrap.sets.flat()) await this.start(id);
  }

  node(id: NodeId): ClusterNode {
    return must(this.nodes.get(id), `node ${id} runs`);
  }

  /** kill -9: unfinished writes are lost, connections close. */
  crash(id: NodeId): void {
    const node = this.node(id);
    node.log.crash();
    node.transport.dead = true;
    this.nodes.delete(id);
    this.#links.closed(id);
    void node.relay?.stop();
    for (const other of this.nodes.values()) other.transport.notify(id, false, "closed");
  }

  async stop(id: NodeId): Promise<void> {
    const node = this.node(id);
    if (node.relay !== null) await this.settle(node.relay.stop());
    await this.settle(node.consensus.stop());
    node.transport.dead = true;
    this.nodes.delete(id);
  }

  async stopAll(): Promise<void> {
    for (const id of [...this.nodes.keys()]) await this.stop(id);
  }

  leader(): ClusterNode | null {
    const leading = [...this.nodes.values()].filter(
      ({ consensus }) => consensus.status().role === "leader",
    );
    return leading.sort((a, b) => b.consensus.status().term - a.consensus.status().term)[0] ?? null;
  }

  async elected(): Promise<ClusterNode> {
    await this.clock.until("a leader is elected", () => {
      const leader = this.leader();
      return leader !== null && !leader.consensus.status().quorumLost;
    });
    return must(this.leader(), "there is a leader");
  }

  followers(): readonly ClusterNode[] {
    return [...this.nodes.values()].filter((node) => node !== this.leader());
  }

  /** Moves time until `promise` settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    await this.clock.until("the promise settles", () => done, 120_000);
    return promise;
  }

  write(node: ClusterNode, text: string): Promise<string> {
    return node.consensus.propose(Buffer.from(text)).then((applied) => applied.result);
  }

  async converged(): Promise<void> {
    await this.clock.until("all replicas are equal", () => {
      const hashes = [...this.nodes.values()].map(({ machine }) => machine.hash());
      return new Set(hashes).size === 1;
    });
  }

  reachable(from: NodeId, to: NodeId): ClusterNode | null {
    return this.lets(from, to) && this.lets(to, from) ? (this.nodes.get(to) ?? null) : null;
  }

  carry(from: NodeId, to: NodeId, frame: Uint8Array): boolean {
    if (!this.nodes.has(to)) return false;
    this.clock.setTimer(1, () => {
      const target = this.nodes.get(to);
      if (target === undefined || !this.lets(from, to)) return;
      target.transport.deliver(from, frame);
    });
    return true;
  }
}
