/**
 * The running parts of one node and how they are joined: core, log writer, applier, proposals, reads, snapshots.
 * Lives from a successful recovery until stop or failure.
 */
import { Background } from "../../base/background.ts";
import { decodeConfiguration } from "../core/config-codec.ts";
import { isVoter, voterIds } from "../core/configuration.ts";
import { hasQuorum } from "../core/quorum.ts";
import {
  type Configuration,
  type Entry,
  EntryType,
  type Index,
  type LoadRequest,
  type RaftCore,
  type Ready,
  type SnapshotMeta,
} from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type EngineMode } from "./api.ts";
import { Applier } from "./applier.ts";
import { type EngineDependencies, type EngineEvents, type HaltReasons } from "./engine-types.ts";
import type { IndexWaiters } from "./index-waiters.ts";
import { LeaderContact, leaderNews } from "./leader-contact.ts";
import { LogWriter } from "./log-writer.ts";
import { type DriverOptions, electionTimeoutMs } from "./options.ts";
import { peersToKeep } from "./peers.ts";
import { Proposals } from "./proposals.ts";
import { ReadBarriers } from "./read-barriers.ts";
import { RelayDoor } from "./relay-door.ts";
import { ResultRing } from "./result-ring.ts";
import { Snapshots } from "./snapshots.ts";
import { configAt, electable, termAt } from "./standing.ts";
import { Transfers } from "./transfers.ts";
import { TickTimer } from "./tick-timer.ts";
import { TurnLoop } from "./turn-loop.ts";

export class Engine<R> {
  readonly core: RaftCore;
  readonly loop: TurnLoop<R>;
  readonly proposals: Proposals<R>;
  readonly barriers: ReadBarriers;
  readonly waiters: IndexWaiters;
  readonly results = new ResultRing<R>();
  readonly transfers = new Transfers();
  readonly contact: LeaderContact;
  readonly relay: RelayDoor;
  readonly #options: DriverOptions;
  readonly #deps: EngineDependencies<R>;
  readonly #events: EngineEvents;
  readonly #background: Background;
  readonly #writer: LogWriter;
  readonly #applier: Applier<R>;
  readonly #snapshots: Snapshots;
  readonly #ticks: TickTimer;
  #appliedConfig: Configuration;
  #peers = "";
  /** Whether this agent may have to stand for election. */
  #votes = false;
  /** Something changed in this turn that listeners should hear of. */
  #changed = false;
  #diskStalled = false;

  constructor(options: DriverOptions, dependencies: EngineDependencies<R>, events: EngineEvents) {
    const { random, recovered, metrics, logger } = dependencies;
    this.#options = options;
    this.#deps = dependencies;
    this.#events = events;
    this.contact = new LeaderContact(options.self);
    this.waiters = dependencies.waiters;
    this.#background = new Background(logger);
    this.barriers = new ReadBarriers(this.waiters, dependencies.readNumbers);
    const { maxEntryBytes } = options.core;
    this.proposals = new Proposals({ ...options, maxEntryBytes }, metrics);
    this.#appliedConfig = configAt(recovered, recovered.applied);
    this.#applier = this.#newApplier();
    this.#writer = new LogWriter(dependencies, {
      durable: (ops) => this.loop.durable(ops),
      failed: (error) => events.failed(error),
    });
    this.#snapshots = this.#newSnapshots();
    const own = { self: options.self, random: () => random.float() };
    const limits = electable(dependencies.lineage);
    this.core = dependencies.createCore({ ...options.core, ...own, ...limits }, recovered);
    this.loop = this.#newLoop();
    this.relay = this.#newRelay();
    this.#ticks = this.#newTicks();
  }

  get snapshotIndex(): Index {
    return this.#snapshots.newestIndex;
  }

  get appliedIndex(): Index {
    return this.#applier.position.index;
  }

  get mode(): EngineMode {
    return this.#deps.mode;
  }

  start(): void {
    const { transport, clock, mode, lineage } = this.#deps;
    transport.setGeneration(currentGeneration(lineage).id);
    this.#ticks.start();
    this.#reconfigured();
    if (mode !== "running") {
      transport.onMessages(() => {});
      transport.onPeer(() => {});
      this.loop.wake();
      return;
    }
    transport.onMessages((from, messages) => {
      const nowMs = clock.monotonicMs();
      this.contact.heard(from, nowMs);
      if (!this.contact.isLeader) this.#ticks.awake(nowMs);
      this.loop.receive(messages);
    });
    transport.onPeer((id, up, evidence) => {
      if (up) return;
      this.loop.unreachable(id, evidence);
      this.#ticks.soon();
    });
    const voters = voterIds(this.core.status().effective);
    // Nobody else could win, so there is nothing to wait for.
    if (voters.length === 1 && voters[0] === this.#options.self) this.core.campaign();
    this.loop.wake();
  }

  /** Falls silent at once: after this nothing is sent, applied or answered but `reasons`. */
  halt({ queued, placed, reads, waiting }: HaltReasons): void {
    this.#ticks.stop();
    this.loop.stop();
    this.#snapshots.halt();
    this.proposals.rejectAll(queued, placed);
    this.barriers.rejectAll(reads);
    if (waiting !== null) this.waiters.rejectAll(waiting);
    this.transfers.giveUp();
  }

  /** Resolves when nothing of this engine touches disk or state any more. Call after `halt`. */
  async quiet(): Promise<void> {
    await this.#writer.stop();
    await this.#applier.stop();
    await this.#snapshots.quiet();
    await this.#background.close();
  }

  #newApplier(): Applier<R> {
    const { snapshots, recovered, stateMachine, clock } = this.#deps;
    const bytesOf = ({ id }: SnapshotMeta): AsyncIterable<Uint8Array> => snapshots.read(id, 0);
    return new Applier(
      { stateMachine, clock, bytesOf },
      {
        applied: (entry, result) => this.#applied(entry, result),
        reached: (index) => this.#reached(index),
        restored: (meta) => this.#restored(meta),
        failed: (error) => this.#events.failed(error),
      },
      termAt(recovered, recovered.applied),
    );
  }

  #newSnapshots(): Snapshots {
    const { recovered } = this.#deps;
    return new Snapshots(
      this.#options,
      { ...this.#deps, background: this.#background, newest: recovered.snapshot },
      {
        core: () => this.core,
        leader: () => this.contact.leader,
        wake: () => this.loop.wake(),
        failed: (error) => this.#events.failed(error),
      },
    );
  }

  #newLoop(): TurnLoop<R> {
    const { core, proposals, barriers } = this;
    const passive = this.#deps.mode !== "running";
    const own = { core, proposals, barriers, writer: this.#writer, passive };
    return new TurnLoop(
      { ...this.#deps, ...own, applier: this.#applier, snapshots: this.#snapshots },
      {
        ticked: (nowMs) => this.#ticked(nowMs),
        soft: (soft) => this.#soft(soft),
        config: () => this.#reconfigured(),
        read: (context) => this.relay.read(context),
        load: (request) => this.#load(request),
        ended: () => this.#ended(),
        failed: (error) => this.#events.failed(error),
      },
      this.#options,
    );
  }

  #newRelay(): RelayDoor {
    const { core, loop, contact, barriers } = this;
    return new RelayDoor(
      { tickMs: this.#options.tickMs, generation: currentGeneration(this.#deps.lineage).id },
      {
        ...this.#deps,
        ...{ core, loop, contact, barriers },
        snapshots: this.#snapshots,
        background: this.#background,
        applied: () => this.appliedIndex,
      },
    );
  }

  #newTicks(): TickTimer {
    const { clock, metrics } = this.#deps;
    return new TickTimer(this.#options.tickMs, {
      clock,
      ticksAhead: (nowMs) => this.#ticksAhead(nowMs),
      tick: (count) => this.loop.tick(count),
      late: (ms) => metrics.tickLateMs.observe(ms),
    });
  }

  /**
   * A leader's heartbeats go by its ticks, while it has its quorum. Elsewhere there is time for two of them, and a tick:
   * who heard its leader, or need not miss it, sleeps until the next one, and wakes by itself only if that is lost.
   */
  #ticksAhead(nowMs: number): number {
    const { soft, isLeader } = this.contact;
    if (soft === null || soft.leader === null || soft.quorumLost) return 1;
    const { core, tickMs } = this.#options;
    if (isLeader) return core.heartbeatTicks;
    const ageMs = this.#votes ? (this.contact.ageMs(nowMs) ?? Infinity) : 0;
    return Math.max(1, Math.floor(2 * core.heartbeatTicks + 1 - ageMs / tickMs));
  }

  #ticked(nowMs: number): void {
    this.proposals.expire(nowMs);
    this.barriers.tick(nowMs);
    this.waiters.expire(nowMs, applyTimeout);
    this.transfers.expire(nowMs);
    this.#watchDisk(nowMs);
  }

  /**
   * A leader whose disk hangs must not stay in office by heartbeats alone, unless nobody can be elected without its
   * vote, which would hang as well: then it goes on as soon as its disk does.
   */
  #watchDisk(nowMs: number): void {
    const stalled = this.#writer.busyMs(nowMs) > electionTimeoutMs(this.#options);
    if (stalled && !this.#diskStalled) {
      this.#deps.metrics.diskStalls += 1;
      this.#deps.logger.warn({}, "the disk does not finish a write");
    }
    this.#diskStalled = stalled;
    if (stalled && this.contact.isLeader && this.#othersCanElect()) this.core.stepDown("disk");
  }

  #othersCanElect(): boolean {
    return hasQuorum(this.core.status().effective.sets, (id) => id !== this.#options.self);
  }

  #soft(soft: NonNullable<Ready["soft"]>): void {
    const { metrics, logger, clock } = this.#deps;
    const before = this.contact.soft;
    this.contact.changed(soft, clock.monotonicMs(), this.core.status().relayed);
    if (soft.role === "candidate" && before?.role !== "candidate") metrics.elections += 1;
    if (before?.leader !== soft.leader) {
      metrics.leaderChanges += 1;
      const { role, leader, term } = soft;
      logger.info({ role, leader, term }, leaderNews(before?.leader ?? null, leader));
      if (leader !== null && leader !== this.#options.self) this.transfers.leads(leader);
    }
    if (before?.role === "leader" && soft.role !== "leader") this.#snapshots.cancelSending();
    this.#reconfigured();
    this.#ticks.soon();
  }

  #reconfigured(): void {
    this.#changed = true;
    const { effective, committed, relayed } = this.core.status();
    this.#votes = isVoter(effective, this.#options.self);
    const leader = relayed ? null : this.contact.leader;
    const peers = peersToKeep(this.#options.self, [effective, committed], leader);
    const text = peers.join(" ");
    if (text === this.#peers) return;
    this.#peers = text;
    this.#deps.transport.setPeers(peers);
  }

  #applied(entry: Entry, result: R | null): void {
    if (result !== null) this.results.put(entry.index, entry.term, result);
    if (entry.type === EntryType.config || entry.type === EntryType.forceConfig) {
      this.#appliedConfig = decodeConfiguration(entry.data, entry.index) ?? this.#appliedConfig;
    }
    this.#deps.metrics.applied += 1;
    this.proposals.applied(entry, result, this.#deps.clock.monotonicMs());
  }

  #reached(index: Index): void {
    this.core.applied(index);
    this.waiters.reached(index);
    this.#events.applied(index);
    if (this.#applier.restoring) return;
    const generation = currentGeneration(this.#deps.lineage).id;
    const config = this.#appliedConfig;
    this.#snapshots.reached({ ...this.#applier.position, config, generation });
  }

  #restored(meta: SnapshotMeta): void {
    this.#deps.metrics.snapshotsInstalled += 1;
    this.#deps.logger.info({ index: meta.index }, "installed a snapshot");
    this.#appliedConfig = meta.config;
    this.proposals.skipped(meta.index);
    this.#reached(meta.index);
    this.#snapshots.installed(meta);
    this.loop.wake();
  }

  #load(request: LoadRequest): void {
    const { from, maxBytes } = request;
    this.#background.run("read the log", async (signal) => {
      try {
        const entries = await this.#deps.log.read(from, maxBytes);
        if (signal.aborted) return;
        this.core.loaded(request, entries);
        this.loop.wake();
      } catch (error) {
        if (!signal.aborted) this.#events.failed(error);
      }
    });
  }

  #ended(): void {
    this.#deps.metrics.pendingApplies = this.#applier.pending;
    if (!this.#changed) return;
    this.#changed = false;
    this.#events.changed();
  }
}

function applyTimeout(index: Index): ConsensusError {
  const message = `This replica did not reach entry ${index} in time.`;
  return new ConsensusError("APPLY_TIMEOUT", message, { index });
}
