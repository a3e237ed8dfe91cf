/** A cluster in one process: nodes, disks and network on one virtual clock, watched by the invariants. */
import { seededRandom, type Random } from "../../src/base/random.ts";
import { emptyConfiguration, simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import {
  type Message,
  type NodeId,
  type ReadResult,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { Invariants, type NodeView } from "./invariants.ts";
import { SimNetwork } from "./net.ts";
import { SimNode, type CoreFactory } from "./node.ts";
import { tickMs, type Profile } from "./profile.ts";
import { describeMessage, Trace } from "./trace.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly profile: Profile;
  readonly createCore: CoreFactory;
  readonly ackEarly: boolean;
  readonly direct: boolean;
  readonly traceLines: number;
}

export class SimCluster {
  readonly clock = new SimClock();
  readonly trace: Trace;
  readonly network: SimNetwork<Message>;
  readonly nodes: readonly SimNode[];
  readonly invariants: Invariants;
  readonly #byId = new Map<NodeId, SimNode>();
  readonly #paused = new Set<NodeId>();
  readonly #random: Random;
  #nextRead = 1;
  /** Told when a node wins an election. */
  onLeader: (node: SimNode) => void = () => undefined;
  reads = 0;
  /** What was given to the network: for tests of efficiency. */
  messagesSent = 0;
  payloadBytesSent = 0;
  readsAnswered = 0;

  constructor(options: ClusterOptions) {
    const { seed, profile } = options;
    this.trace = new Trace(this.clock, options.traceLines);
    this.#random = stream(seed, 1);
    this.network = new SimNetwork<Message>(profile.net, {
      clock: this.clock,
      random: stream(seed, 2),
      deliver: (to, message) => this.#deliver(to, message),
    });
    const views = new Map<NodeId, NodeView>();
    this.invariants = new Invariants(views, { direct: options.direct });
    this.nodes = this.#createNodes(options, views);
  }

  #createNodes(options: ClusterOptions, views: Map<NodeId, NodeView>): readonly SimNode[] {
    const { profile, seed } = options;
    const ids = Array.from({ length: profile.nodes }, (_, i) => `n${i + 1}`);
    const bootstrap = simpleConfiguration(ids.slice(0, profile.voters));
    return ids.map((id, i) => {
      const disk = new SimDisk(profile.disk, {
        bootstrap: i < profile.voters ? bootstrap : emptyConfiguration,
        clock: this.clock,
        random: stream(seed, 100 + i),
      });
      const view = { id, disk, image: [], imageBase: { index: 0, term: 0 }, term: 0, commit: 0 };
      views.set(id, view);
      const node = this.#createNode({ options, id, slot: i }, view);
      this.#byId.set(id, node);
      return node;
    });
  }

  #createNode(
    at: { readonly options: ClusterOptions; readonly id: NodeId; readonly slot: number },
    view: NodeView,
  ): SimNode {
    const { profile, seed, createCore, ackEarly } = at.options;
    const random = stream(seed, 200 + at.slot);
    return new SimNode(
      {
        clock: this.clock,
        random,
        disk: view.disk,
        invariants: this.invariants,
        trace: this.trace,
        createCore,
        options: { ...profile.core, self: at.id, random: () => random.float() },
        send: (from, to, message) => this.#send(from, to, message),
        sendSnapshot: (from, to, meta) => this.#sendSnapshot(from, to, meta),
        onLeader: (id) => {
          const node = this.#byId.get(id);
          if (node !== undefined) this.onLeader(node);
        },
        onRead: (id, result) => this.#onRead(id, result),
        ackEarly,
        loadMs: profile.loadMs,
      },
      view,
    );
  }

  start(): void {
    for (const node of this.nodes) {
      node.start();
      this.#scheduleTick(node);
    }
  }

  /** Clocks drift: each node's ticks come a little early or late. */
  #scheduleTick(node: SimNode): void {
    this.clock.after(tickMs * (0.9 + 0.2 * this.#random.float()), () => {
      if (!this.#paused.has(node.id)) node.tick();
      this.#scheduleTick(node);
    });
  }

  #send(from: NodeId, to: NodeId, message: Message): void {
    this.messagesSent += 1;
    if (message.type === "Append") {
      for (const { data } of message.entries) this.payloadBytesSent += data.length;
    }
    this.network.send(from, to, message);
  }

  #deliver(to: NodeId, message: Message): void {
    const node = this.#byId.get(to);
    if (node?.core === null || node === undefined) return;
    if (this.#paused.has(to)) {
      // A stopped process receives when it goes on.
      this.clock.after(20, () => this.#deliver(to, message));
      return;
    }
    this.trace.add(() => describeMessage(message));
    node.receive(message);
  }

  #sendSnapshot(from: NodeId, to: NodeId, meta: SnapshotMeta): void {
    this.clock.after(10 + 5 * this.network.latency(), () => {
      const receiver = this.#byId.get(to);
      const ok =
        receiver !== undefined &&
        receiver.core !== null &&
        !this.network.isCut(from, to) &&
        this.#random.float() < 0.9;
      this.trace.add(() => `${from}->${to} snapshot ${meta.id} ${ok ? "arrived" : "failed"}`);
      if (ok) receiver.with((core) => core.snapshotReceived(meta));
      this.#byId.get(from)?.with((core) => core.snapshotResult(to, ok));
    });
  }

  #onRead(id: NodeId, result: ReadResult): void {
    this.readsAnswered += result.ok ? 1 : 0;
    this.invariants.onReadResult(id, result);
  }

  readAt(node: SimNode): void {
    if (node.core === null || this.isPaused(node)) return;
    const context = this.#nextRead++;
    this.reads += 1;
    this.invariants.onRead(context);
    node.with((core) => core.readIndex(context));
  }

  pause(node: SimNode): void {
    this.#paused.add(node.id);
  }

  resume(node: SimNode): void {
    this.#paused.delete(node.id);
  }

  isPaused(node: SimNode): boolean {
    return this.#paused.has(node.id);
  }

  resumeAll(): void {
    this.#paused.clear();
  }

  /** The node that leads in the newest term, among those that believe they lead. */
  leader(): SimNode | null {
    let best: SimNode | null = null;
    for (const node of this.nodes) {
      if (node.core?.status().role !== "leader") continue;
      if (best === null || node.view.term > best.view.term) best = node;
    }
    return best;
  }

  runFor(ms: number): void {
    const end = this.clock.nowMs + ms;
    while (this.clock.step(end));
  }

  runUntil(condition: () => boolean, withinMs: number): boolean {
    const end = this.clock.nowMs + withinMs;
    for (;;) {
      if (condition()) return true;
      if (this.clock.nowMs >= end) return false;
      this.runFor(tickMs);
    }
  }
}

/** An own stream per concern: one more message does not change when the next crash comes. */
export function stream(seed: number, concern: number): Random {
  return seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(concern + 1, 0x85ebca6b));
}
