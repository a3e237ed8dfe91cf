/**
 * One process of an agent: production's core, driver, storage, state machine, submitter, writer and autopilot, put
 * together as src/agent/replica.ts does, over simulated ports; with survivor mode too, where the profile has it. Lives
 * until it is killed, stops, or fails.
 */
import { AgentError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { type Random } from "../../src/base/random.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type Autopilot, type ClusterMembers } from "../../src/consensus/driver/autopilot.ts";
import { type MeasuredConsensusNode } from "../../src/consensus/driver/driver.ts";
import { defaultDriverOptions } from "../../src/consensus/driver/options.ts";
import { type LogWrite } from "../../src/consensus/driver/ports.ts";
import { type Position, type Submitter } from "../../src/consensus/driver/submitter.ts";
import { type ExitStatement } from "../../src/consensus/lineage/types.ts";
import { bootstrapLineage, currentGeneration } from "../../src/consensus/lineage/generation.ts";
import { writtenIn } from "../../src/consensus/lineage/written-in.ts";
import { defaultLevelLogOptions } from "../../src/consensus/storage/level-log.ts";
import { type InventoryWriter } from "../../src/agent/writer.ts";
import { type CommandResult } from "../../src/inventory/commands.ts";
import { type InventoryStateMachine } from "../../src/inventory/state-machine.ts";
import { type AppliedHistory, type Standing } from "./applied-history.ts";
import { type Chronicles, type History, simulatedCluster } from "./chronicle.ts";
import { type SimDisk } from "./disk.ts";
import { type DiskHold, type ExitQuestion } from "./exits.ts";
import { type GenerationInvariants } from "./generation-invariants.ts";
import { type Invariants } from "./invariants.ts";
import { type Life } from "./life.ts";
import { type LineageWrite, type NodeView } from "./node-view.ts";
import { ObservedCore } from "./observed-core.ts";
import { ObservedLog } from "./observed-log.ts";
import type * as Production from "./production.ts";
import { type Profile } from "./profile.ts";
import { Survivor } from "./survivor.ts";
import { type Trace } from "./trace.ts";
import { Works } from "./works.ts";
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
  readonly chronicles: Chronicles;
  readonly generations: GenerationInvariants;
  readonly history: AppliedHistory;
  readonly trace: Trace;
  readonly board: Switchboard;
  /** Voters of the first configuration; null for an agent that joins. */
  readonly bootstrap: readonly NodeId[] | null;
  readonly isAlive: (id: NodeId) => boolean;
  readonly hasSurvivorMode: () => boolean;
  /** Peers that answer its probes now. */
  readonly reachable: () => readonly NodeId[];
  /** To whom the end of the last process on this disk was attested. */
  readonly hold: DiskHold;
  readonly askExit: (question: ExitQuestion, life: Life) => Promise<ExitStatement | null>;
  /** Has the host of an agent turned off; false when nobody is certain that it is. */
  readonly fence: (node: NodeId, life: Life) => Promise<boolean>;
  /** A change of generation begins, or a page of a merge arrives: an interesting moment. */
  readonly onChange: (id: NodeId) => void;
  readonly onLeader: (id: NodeId) => void;
  readonly onProposed: (data: readonly Uint8Array[], first: Index) => void;
  readonly onExit: (error: Error) => void;
  readonly onViolation: (error: Error) => void;
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
  #survivor: Survivor | null;
  readonly #autopilot: Autopilot;
  /** Null where no jobs are. */
  readonly #works: Works | null;
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
      {
        clock: life,
        submit: (...request) => submitter.submit(...request),
        writtenIn: (index) => writtenIn(this.consensus.lineage().generations, index),
      },
    );
    parts.view.gaveUp = null; // a departure that a former process began is over
    this.#survivor = parts.hasSurvivorMode() ? new Survivor(this, parts) : null;
    this.#works = parts.profile.jobs ? new Works(this, parts) : null;
    this.#autopilot = new production.Autopilot(
      { self: this.id, limits: parts.profile.autopilot },
      { node: this.consensus, members: this.#members(), clock: life, logger: silentLogger },
    );
  }

  /** Null without survivor mode. */
  get survivor(): Survivor | null {
    return this.#survivor;
  }

  /** As a newer agent, which has survivor mode, would go on from here. */
  gainSurvivorMode(): void {
    if (this.#survivor !== null) return;
    this.#survivor = new Survivor(this, this.#parts);
    if (this.started) void this.#survivor.start();
  }

  /** The history it is in. */
  get path(): History {
    return this.#parts.chronicles.of(this.consensus.lineage().generations);
  }

  start(): void {
    const { onExit } = this.#parts;
    this.consensus.onFailure(onExit);
    this.consensus.start(new AbortController().signal).then(
      () => {
        this.started = true;
        void this.survivor?.start();
        this.#works?.start();
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
      .then(() => this.#works?.stop())
      .then(() => this.survivor?.stop())
      .then(() => this.consensus.stop())
      .then(stopped, stopped);
  }

  handleForward(request: Uint8Array): Promise<Position> {
    return this.submitter.handleForward(request);
  }

  handleCall(method: string, payload: unknown, from: NodeId): Promise<unknown> {
    if (this.survivor === null || !this.started) {
      return Promise.reject(new AgentError("PEER_UNREACHABLE", "simulated"));
    }
    return this.survivor.serve(method, payload, from);
  }

  #createConsensus(): MeasuredConsensusNode<CommandResult> {
    const { production, profile, life, disk, random, history, view, bootstrap } = this.#parts;
    const { hold } = this.#parts;
    const storage = disk.mount(life);
    return production.createConsensusNode<CommandResult>(
      {
        ...defaultDriverOptions,
        ...profile.driver,
        core: {
          ...profile.core,
          mayEvict: (partner) => this.survivor?.lineage.mayEvict(partner) ?? true,
        },
        self: view.id,
        held: hold.statements.length > 0,
        starts: disk.starts,
        lineage: bootstrapLineage(simulatedCluster),
        bootstrap: bootstrap === null ? null : simpleConfiguration(bootstrap),
      },
      {
        createCore: (options, recovered) => {
          const { invariants, trace, onLeader, onProposed } = this.#parts;
          invariants.onStart(view, recovered, this.consensus.lineage());
          const observer = { view, life: disk.starts, invariants, trace, onLeader, onProposed };
          return new ObservedCore(production.createCore(options, recovered), observer);
        },
        log: new ObservedLog(
          new production.LevelLogStore(
            { ...defaultLevelLogOptions, directory: "/raft", maxTailBytes: profile.tailBytes },
            { clock: life, storage },
          ),
          (write) => this.#onLineage(write),
        ),
        snapshots: new production.SnapshotFiles(
          { directory: "/raft/snapshots", maxBytes: 1 << 30 },
          { logger: silentLogger, files: storage.files },
        ),
        stateMachine: history.watch(
          { id: view.id, standing: () => this.#standing() },
          this.machine,
        ),
        transport: this.transport,
        clock: life,
        random,
        scheduler: { soon: (task) => life.after(turnMs, task) },
        logger: silentLogger,
      },
    );
  }

  /** Where its state belongs, by its disk, as it is read back before anything runs. */
  #standing(): Standing {
    const { view, chronicles } = this.#parts;
    const lineage = view.durable.lineage ?? this.consensus.lineage();
    const confirmed = lineage.promise?.parent !== currentGeneration(lineage).id;
    return { history: chronicles.of(lineage.generations), confirmed };
  }

  #onLineage(write: LogWrite): LineageWrite | null {
    const { generations, view, onChange } = this.#parts;
    const made = generations.onWrite(view, write, this.consensus.hasQuorum);
    if (made !== null) onChange(this.id);
    return made;
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
        generation: () => consensus.generation(),
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
