/** A cluster in one process: machines, disks and network on one virtual clock, watched by the invariants. */
import {
  type Entry,
  type Index,
  type Message,
  type NodeId,
} from "../../src/consensus/core/types.ts";
import { type ExitStatement } from "../../src/consensus/lineage/types.ts";
import { AppliedHistory } from "./applied-history.ts";
import { Chronicles, type History } from "./chronicle.ts";
import { SimClock } from "./clock.ts";
import { drainMicrotasks } from "./drain.ts";
import { type ExitQuestion } from "./exits.ts";
import { GenerationInvariants } from "./generation-invariants.ts";
import { Invariants } from "./invariants.ts";
import { Ledger } from "./ledger.ts";
import { lanes, SimNetwork } from "./net.ts";
import { SimNode } from "./node.ts";
import { type Life } from "./life.ts";
import { type NodeView, termIn } from "./node-view.ts";
import { PowerSwitch } from "./power-switch.ts";
import { type SimProcess } from "./process.ts";
import type * as Production from "./production.ts";
import { type Profile } from "./profile.ts";
import { concerns, stream } from "./streams.ts";
import { describeMessage, Trace } from "./trace.ts";
import { type Endpoint, type Switchboard } from "./transport.ts";
import { require } from "./violation.ts";
import { WinnerOrder } from "./winner-order.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly profile: Profile;
  readonly production: typeof Production;
  readonly direct: boolean;
  readonly traceLines: number;
}

export class SimCluster implements Switchboard {
  readonly clock = new SimClock();
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly invariants: Invariants;
  readonly chronicles: Chronicles;
  readonly generations: GenerationInvariants;
  readonly ledger = new Ledger();
  readonly history = new AppliedHistory(this.ledger, (id, history) => this.#wasIn(id, history));
  readonly encoded: boolean;
  readonly profile: Profile;
  readonly #views = new Map<NodeId, NodeView>();
  readonly #slots = new Map<NodeId, number>();
  #violation: Error | null = null;
  #hasSurvivorMode: boolean;
  readonly power: PowerSwitch;
  /** Told when a node wins an election. */
  onLeader: (node: SimNode) => void = () => {};
  /** Told when a node changes its generation, or is given a page of a merge. */
  onChange: (node: SimNode) => void = () => {};
  onNewcomer: (node: SimNode, replaces: NodeId) => void = () => {};
  /** Told when the core of a leader gives payloads their places. */
  onProposed: (data: readonly Uint8Array[], first: Index) => void = () => {};
  /** What was given to the network: for tests of efficiency. */
  messagesSent = 0;
  payloadBytesSent = 0;

  constructor(options: ClusterOptions) {
    const { seed, profile, production } = options;
    this.profile = profile;
    this.encoded = profile.encoded;
    this.#hasSurvivorMode = profile.survivor !== null;
    this.trace = new Trace(this.clock, options.traceLines);
    this.network = new SimNetwork(profile.net, {
      clock: this.clock,
      random: stream(seed, concerns.network),
    });
    this.network.onReset = (from, to) => this.#connectionLost(from, to);
    const { direct } = options;
    this.chronicles = new Chronicles((coordinator) => (index) => {
      const view = this.#views.get(coordinator);
      return view === undefined ? null : termIn(view, index);
    });
    const { chronicles, ledger } = this;
    const nowMs = (): number => this.clock.nowMs;
    const winners = new WinnerOrder(production.compareLineage);
    this.generations = new GenerationInvariants({ chronicles, ledger, winners, nowMs }, { direct });
    const { generations } = this;
    this.invariants = new Invariants({ views: this.#views, chronicles, generations }, { direct });
    this.power = new PowerSwitch(this, stream(seed, concerns.switch));
    const ids = Array.from({ length: profile.nodes }, (_, i) => `n${i + 1}`);
    this.nodes = ids.map(
      (_, slot) =>
        new SimNode(
          {
            ...{ production, profile, board: this, clock: this.clock, trace: this.trace },
            ...{ invariants: this.invariants, history: this.history, chronicles, generations },
            random: stream(seed, 100 + slot),
            voters: ids.slice(0, profile.voters),
            isAlive: (id) => this.#isAlive(slot, id),
            hasSurvivorMode: () => this.#hasSurvivorMode,
            reachable: () => this.#reachable(slot),
            askExit: (question, life) => this.#askExit(slot, question, life),
            fence: (node, life) => this.power.fence(node, life),
            onChange: () => this.onChange(this.nodes[slot] as SimNode),
            onLeader: () => this.onLeader(this.nodes[slot] as SimNode),
            onProposed: (data, first) => this.onProposed(data, first),
            addView: (view) => {
              this.#views.set(view.id, view);
              this.#slots.set(view.id, slot);
            },
            onGone: (node, id, closed) => this.#gone(node, id, closed),
            onViolation: (error) => this.fail(error),
            onNewcomer: (node, replaces) => this.onNewcomer(node, replaces),
          },
          slot,
        ),
    );
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** Ends the run with `error`, the first one given. */
  fail(error: Error): void {
    this.#violation ??= error;
  }

  #wasIn(id: NodeId, history: History): boolean {
    const view = this.#views.get(id);
    if (view === undefined) return false;
    return view.history === history || view.left.some((one) => one.history === history);
  }

  find(id: NodeId): Endpoint | null {
    const node = this.nodes[this.#slots.get(id) ?? -1];
    return node?.process?.id === id ? node.process : null;
  }

  slotOf(id: NodeId): number | null {
    return this.#slots.get(id) ?? null;
  }

  onSend(from: NodeId, message: Message): void {
    const view = this.#views.get(from);
    if (view !== undefined) this.invariants.onSend(view, message);
    this.messagesSent += 1;
    this.clock.mix(message.term * 31 + message.type.length);
    if (message.type === "Append") {
      for (const { data } of message.entries) this.payloadBytesSent += data.length;
    }
  }

  onDeliver(message: Message): void {
    this.trace.add(() => describeMessage(message));
  }

  /** The node that leads in the newest term, among those that believe they lead. */
  leader(): SimNode | null {
    let best: SimNode | null = null;
    for (const node of this.nodes) {
      if (node.process === null || node.view.leads === null) continue;
      if (best === null || node.view.leads > (best.view.leads ?? 0)) best = node;
    }
    return best;
  }

  /** Running processes, the stopped (SIGSTOP) ones too. */
  processes(): readonly SimProcess[] {
    return this.nodes.flatMap(({ process }) => (process?.started === true ? [process] : []));
  }

  committedEntry(index: Index): Entry | null {
    return this.invariants.committedEntry(index);
  }

  /** @throws Error the first violation. */
  runFor(ms: number): void {
    drainMicrotasks(); // what was called from outside since the last event
    const end = this.clock.nowMs + ms;
    const limit = this.clock.events + maxEventsPerMs * (ms + 100);
    while (this.clock.step(end)) {
      if (this.#violation !== null) throw this.#violation;
      require(this.clock.events < limit, () => "livelock: events without end");
    }
  }

  runUntil(condition: () => boolean, withinMs: number): boolean {
    const end = this.clock.nowMs + withinMs;
    for (;;) {
      if (condition()) return true;
      if (this.clock.nowMs >= end) return false;
      this.runFor(50);
    }
  }

  /** From now on all agents have survivor mode, whatever the profile says. */
  rescue(): void {
    this.trace.add(() => "survivor mode is there");
    this.#hasSurvivorMode = true;
    for (const { process } of this.nodes) process?.gainSurvivorMode();
  }

  /** Where everybody stands: for the report of a failure. */
  describe(): string {
    return this.nodes.map((node) => describeNode(node)).join("\n");
  }

  /** The kernel closes a dead process's connections; after a power cut only silence tells. */
  #gone(node: SimNode, id: NodeId, closed: boolean): void {
    for (const other of this.nodes) {
      const { process } = other;
      if (process === null || other === node) continue;
      if (this.network.isCut(node.slot, other.slot)) continue;
      const delayMs = closed ? this.network.latency() : silenceMs;
      process.life.after(delayMs, () => process.transport.lost(id, closed ? "closed" : "timeout"));
    }
  }

  #connectionLost(from: number, to: number): void {
    for (const [a, b] of [
      [from, to],
      [to, from],
    ] as const) {
      const process = this.nodes[a]?.process;
      const peer = this.nodes[b]?.id;
      if (process === null || process === undefined || peer === undefined) continue;
      process.life.after(0.1, () => process.transport.lost(peer, "closed"));
    }
  }

  /** A question to the supervisor on an agent's machine, and its answer. */
  #askExit(from: number, question: ExitQuestion, life: Life): Promise<ExitStatement | null> {
    const { promise, resolve } = Promise.withResolvers<ExitStatement | null>();
    const slot = this.#slots.get(question.node);
    const node = slot === undefined ? undefined : this.nodes[slot];
    life.setTimer(exitAnswerMs, () => resolve(null));
    if (slot === undefined || node === undefined) return promise;
    const back = (statement: ExitStatement | null): void => {
      this.network.send(slot, from, lanes.requests, () => life.run(() => resolve(statement)));
    };
    this.network.send(from, slot, lanes.requests, () => {
      node.attest(question).then(back, () => back(null));
    });
    return promise;
  }

  /** Who answers a probe of this machine right now. */
  #reachable(viewer: number): readonly NodeId[] {
    const answers = ({ slot, up }: SimNode): boolean =>
      up && !this.network.isCut(viewer, slot) && !this.network.isCut(slot, viewer);
    return this.nodes.filter((node) => node.slot !== viewer && answers(node)).map(({ id }) => id);
  }

  #isAlive(viewer: number, id: NodeId): boolean {
    const slot = this.#slots.get(id);
    const node = slot === undefined ? undefined : this.nodes[slot];
    if (node === undefined || node.id !== id || slot === undefined) return false;
    // Who is alive for one side of a partition is not for the other.
    if (this.profile.survivor !== null) {
      return slot === viewer || this.#reachable(viewer).includes(id);
    }
    const cut = this.network.isCut(viewer, slot) || this.network.isCut(slot, viewer);
    if (node.process !== null && !node.process.life.paused && !cut) {
      node.lastAliveMs = this.clock.nowMs;
    }
    return this.clock.nowMs - node.lastAliveMs < gossipMs;
  }
}

function describeNode({ id, process, view, damaged, disk }: SimNode): string {
  const durable = `disk: to ${disk.durable.last}, term ${disk.durable.hardState.term}`;
  if (process === null) return `${id}: down; ${durable}${damaged ? ", damaged" : ""}`;
  const { role, term, leader, commit, applied, last, effective } = process.consensus.status();
  const state = process.started ? (process.life.paused ? "paused" : role) : "starting";
  const { sets, standbys, observers, lost, index } = effective;
  const voters = sets.map((set) => set.join(" ")).join(" && ");
  const others = `standbys ${standbys.join(" ")} observers ${observers.join(" ")} lost ${lost.join(" ")}`;
  const position = `term ${term} last ${last} commit ${commit} applied ${applied}`;
  const seen = `leader ${leader ?? "-"}, voters@${index} ${voters}, ${others}`;
  const path = process.consensus.lineage().generations.map((one) => one.id.slice(0, 4));
  const { state: where = "", plan = null } = process.survivor?.lineage.status() ?? {};
  const lineage = `${process.consensus.status().engine} in ${path.join(">")} ${where} ${plan?.why ?? ""}`;
  return `${id}: ${state} ${position}, ${seen}; ${lineage}; ${durable}; seen commit ${view.commit}`;
}

/** Far more than the busiest run has. */
const maxEventsPerMs = 100;
/** Keep-alive probes of a connection find out that the other machine is gone. */
const silenceMs = 6000;
const gossipMs = 3000;
const exitAnswerMs = 1500;
