/**
 * One process of an agent: production's core, driver, storage, state machine, submitter, writer and autopilot, put
 * together as src/agent/replica.ts does, over simulated ports. Lives until it is killed, stops, or fails.
 */
import { silentLogger } from "../../src/base/logger.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { type Random } from "../../src/base/random.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type Autopilot, type ClusterMembers } from "../../src/consensus/driver/autopilot.ts";
import { type MeasuredConsensusNode } from "../../src/consensus/driver/driver.ts";
import { defaultDriverOptions } from "../../src/consensus/driver/options.ts";
import { type Position, type Submitter } from "../../src/consensus/driver/submitter.ts";
import { bootstrapLineage } from "../../src/consensus/lineage/generation.ts";
import { defaultLevelLogOptions } from "../../src/consensus/storage/level-log.ts";
import { type InventoryWriter } from "../../src/agent/writer.ts";
import { type CommandResult } from "../../src/inventory/commands.ts";
import { type InventoryStateMachine } from "../../src/inventory/state-machine.ts";
import { type AppliedHistory } from "./applied-history.ts";
import { type SimDisk } from "./disk.ts";
import { type Invariants } from "./invariants.ts";
import { type Life } from "./life.ts";
import { type NodeView } from "./node-view.ts";
import { ObservedCore } from "./observed-core.ts";
import type * as Production from "./production.ts";
import { type Profile } from "./profile.ts";
import { type Trace } from "./trace.ts";
import { type Endpoint, SimTransport, type Switchboard } from "./transport.ts";

export interface ProcessParts {
  readonly production: typeof Production;
  readonly profile: Profile;
  readonly slot: number;
  readonly life: Life;
  readonly random: Random;
  readonly disk: SimDisk;
  readonly view: NodeView;
  readonly invariants: Invariants;
  readonly history: AppliedHistory;
  readonly trace: Trace;
  readonly board: Switchboard;
  /** Voters of the first configuration; null for an agent that joins. */
  readonly bootstrap: readonly NodeId[] | null;
  readonly isAlive: (id: NodeId) => boolean;
  readonly onLeader: (id: NodeId) => void;
  readonly onProposed: (data: readonly Uint8Array[], first: Index) => void;
  readonly onExit: (error: Error) => void;
}

/** Real ones take 10 to 100 µs on an idle machine. */
const turnMs = 0.05;

export class SimProcess implements Endpoint {
  readonly id: NodeId;
  readonly slot: number;
  readonly life: Life;
  readonly transport: SimTransport;
  readonly machine: InventoryStateMachine;
  readonly consensus: MeasuredConsensusNode<CommandResult>;
  readonly submitter: Submitter<CommandResult>;
  readonly writer: InventoryWriter;
  readonly #autopilot: Autopilot;
  readonly #parts: ProcessParts;
  /** Start is over: everything known to be committed was applied. */
  started = false;

  constructor(parts: ProcessParts) {
    const { life, slot, view, production, disk } = parts;
    this.#parts = parts;
    this.id = view.id;
    this.slot = slot;
    this.life = life;
    disk.starts += 1;
    this.transport = new SimTransport({ id: this.id, slot, life }, parts.board);
    this.machine = new production.InventoryStateMachine({ logger: silentLogger });
    this.consensus = this.#createConsensus();
    this.submitter = this.#createSubmitter();
    const { submitter } = this;
    this.writer = new production.InventoryWriter(
      { agent: asPeerId(this.id), starts: disk.starts },
      { clock: life, submit: (request, timeoutMs) => submitter.submit(request, timeoutMs) },
    );
    this.#autopilot = new production.Autopilot(
      { self: this.id, limits: parts.profile.autopilot },
      { node: this.consensus, members: this.#members(), clock: life, logger: silentLogger },
    );
  }

  start(): void {
    const { onExit } = this.#parts;
    this.consensus.onFailure(onExit);
    this.consensus.start(new AbortController().signal).then(
      () => {
        this.started = true;
        return this.#autopilot.start();
      },
      (error: unknown) => onExit(error as Error),
    );
  }

  /** SIGTERM: leadership is handed over. Calls back when the process may end. */
  stop(stopped: () => void): void {
    this.submitter.close();
    this.#autopilot
      .stop()
      .then(() => this.consensus.stop())
      .then(stopped, stopped);
  }

  handleForward(request: Uint8Array): Promise<Position> {
    return this.submitter.handleForward(request);
  }

  #createConsensus(): MeasuredConsensusNode<CommandResult> {
    const { production, profile, life, disk, random, history, view, bootstrap } = this.#parts;
    const storage = disk.mount(life);
    return production.createConsensusNode<CommandResult>(
      {
        ...defaultDriverOptions,
        ...profile.driver,
        core: profile.core,
        self: view.id,
        lineage: bootstrapLineage("simulated"),
        bootstrap: bootstrap === null ? null : simpleConfiguration(bootstrap),
      },
      {
        createCore: (options, recovered) => {
          const { invariants, trace, onLeader, onProposed } = this.#parts;
          invariants.onStart(view, recovered);
          const observer = { view, life: disk.starts, invariants, trace, onLeader, onProposed };
          return new ObservedCore(production.createCore(options, recovered), observer);
        },
        log: new production.LevelLogStore(
          { ...defaultLevelLogOptions, directory: "/raft", maxTailBytes: profile.tailBytes },
          { clock: life, storage },
        ),
        snapshots: new production.SnapshotFiles(
          { directory: "/raft/snapshots", maxBytes: 1 << 30 },
          { logger: silentLogger, files: storage.files },
        ),
        stateMachine: history.watch(view.id, this.machine),
        transport: this.transport,
        clock: life,
        random,
        scheduler: { soon: (task) => life.after(turnMs, task) },
        logger: silentLogger,
      },
    );
  }

  #createSubmitter(): Submitter<CommandResult> {
    const { production, life, random } = this.#parts;
    const { consensus, machine, transport } = this;
    const self = asPeerId(this.id);
    return new production.Submitter<CommandResult>({
      self,
      node: {
        propose: production.handingOver({ self, view: machine.view }, consensus),
        hasten: (index) => consensus.hasten(index),
        waitApplied: (index, timeoutMs) => consensus.waitApplied(index, timeoutMs),
        resultAt: (index, term) => consensus.resultAt(index, term),
        status: () => consensus.status(),
        onChange: (listener) => consensus.onChange(listener),
      },
      stamp: (request) => production.stampEnvelope(request, life.wallMs()),
      admit: (request) => production.admitEnvelope(request, life.wallMs()),
      forward: (leader, request, timeoutMs) => transport.forward(leader, request, timeoutMs),
      clock: life,
      random,
    });
  }

  /** As in src/agent: the inventory says who may take part, gossip who lives. */
  #members(): ClusterMembers {
    const { view } = this.machine;
    const statusOf = (id: NodeId) => view.member(asPeerId(id))?.status ?? null;
    return {
      admitted: () =>
        view
          .members()
          .filter((member) => member.status === "admitted")
          .toSorted((a, b) => a.admittedAt - b.admittedAt)
          .map((member) => member.id),
      isGone: (id) => statusOf(id) === "evicted",
      isAlive: (id) => this.#parts.isAlive(id),
    };
  }
}
