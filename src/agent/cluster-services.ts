/**
 * Everything an agent runs once it belongs to a cluster: replica, gossip, config engine, lifecycle. Built from the
 * agent's state, started bottom-up, stopped in reverse.
 */
import path from "node:path";
import { type TranscriptRequest } from "../api/context.ts";
import { type Clock, unlessAborted } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { systemRandom } from "../base/random.ts";
import { type Service, startAll } from "../base/service.ts";
import { version } from "../base/version.ts";
import { type TranscriptPart } from "../config-engine/ports.ts";
import { type MeasuredConsensusNode } from "../consensus/driver/driver.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type Admission } from "../p2p/ports.ts";
import { dialSeed } from "../p2p/seed-dial.ts";
import { askStanding } from "../p2p/standing-client.ts";
import { systemResolver } from "../p2p/seeds.ts";
import { type AgentState } from "./agent-state.ts";
import { AgentLineage } from "./lineage.ts";
import { type EvictionVerdict } from "./eviction-claims.ts";
import { EvictionInquiry } from "./eviction-inquiry.ts";
import { createExitWitness } from "./exit-witness.ts";
import { createFencer } from "./fence-command.ts";
import { HistoryArchive } from "./history-archive.ts";
import { createEngine, type Engine } from "./engine.ts";
import { gatherFacts } from "./facts.ts";
import { FactsReporter } from "./facts-reporter.ts";
import { createLifecycle } from "./lifecycle.ts";
import { LogReporter } from "./log-reporter.ts";
import { logMembers } from "./member-log.ts";
import { MemberWatch } from "./member-watch.ts";
import { createMembership } from "./membership.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { PeerSearch } from "./peer-search.ts";
import { evictedError, keepNotice, noticeOf } from "./removal-notice.ts";
import { createReplica, type Replica } from "./replica.ts";
import { SolitudeWatch } from "./solitude-watch.ts";
import { type ExitHold } from "./supervisor/exit-hold.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { InventoryWriter } from "./writer.ts";

export interface ClusterServicesOptions {
  readonly options: AgentOptions;
  readonly state: AgentState;
}

export interface ClusterServicesDeps {
  readonly mesh: Mesh;
  readonly admission: Admission;
  readonly stateMachine: InventoryStateMachine;
  readonly hold: ExitHold;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the agent: storage failed, or the cluster evicted it. */
  readonly fail: (error: Error) => void;
}

const leaveMs = 2000;
const handOverMs = 1500;
const solitudeMs = { lan: 30_000, wan: 60_000, local: 3000 };

export class ClusterServices {
  readonly clusterId: string;
  readonly view: InventoryView;
  readonly consensus: MeasuredConsensusNode<CommandResult>;
  readonly gossip: GossipNode;
  readonly lineage: AgentLineage;
  readonly writer: InventoryWriter;
  readonly #inquiry: EvictionInquiry;
  readonly #deps: ClusterServicesDeps;
  readonly #replica: Replica;
  readonly #engine: Engine;
  readonly #services: readonly Service[];
  #stopAll: () => Promise<void> = () => Promise.resolve();
  readonly #stopping = new AbortController();

  constructor({ options, state }: ClusterServicesOptions, deps: ClusterServicesDeps) {
    const { mesh, stateMachine, clock } = deps;
    this.#deps = deps;
    this.clusterId = state.clusterId;
    this.view = stateMachine.view;
    this.#replica = createReplica(
      { options, state },
      {
        ...deps,
        gossip: () => this.gossip,
        mayEvict: (partner) => this.lineage.mayEvict(partner),
      },
    );
    this.consensus = this.#replica.node;
    this.writer = new InventoryWriter(
      { agent: mesh.identity.peer, starts: state.starts },
      {
        clock,
        submit: (...request) => this.#replica.submitter.submit(...request),
        writtenIn: (index) => this.lineage.writtenIn(index),
      },
    );
    const membership = createMembership(
      { options, state },
      {
        ...deps,
        isLeader: () => this.consensus.isLeading,
        submit: (command) => this.writer.submit(command, { by: "agent" }),
        readBarrier: (timeoutMs) => this.readBarrier(timeoutMs),
      },
    );
    this.gossip = membership.gossip;
    logMembers(this.gossip, deps.logger.child({ module: "gossip" }));
    this.#inquiry = this.#createInquiry(options);
    this.lineage = this.#createLineage(options);
    this.#engine = createEngine(options, { ...deps, view: this.view, gossip: this.gossip });
    this.#services = [
      this.#supervisor(options),
      ...this.#replica.services,
      ...membership.services,
      ...this.lineage.services,
      this.#memberWatch(),
      this.#inquiry,
      this.#solitudeWatch(options),
      this.#peerSearch(options),
      ...this.#engine.services,
      ...createLifecycle(options, this, { ...deps, engine: this.#engine }),
      this.#facts(options),
      this.#logReporter(),
    ];
    this.gossip.contact(state.peers);
    for (const peer of state.peers) mesh.host.setAddress(peer.id, peer.address);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.consensus.onFailure(this.#deps.fail);
    this.#stopAll = await startAll(this.#services, signal);
  }

  /** Gives leadership away, when this agent has it, while everything still works: writes wait for it, and go on. */
  async handOver(): Promise<void> {
    await this.consensus.transferLeadership(null, handOverMs);
  }

  /** Ends what waits for the cluster: without a leader that would hold a stop up for seconds. */
  endWaiting(): void {
    this.#replica.submitter.close();
    this.#stopping.abort(stopped());
  }

  /** Says good-bye to the members; resolves when it spread, or after two seconds in vain. */
  leave(): Promise<void> {
    return this.gossip.leave(leaveMs);
  }

  async stop(): Promise<void> {
    this.endWaiting();
    await this.#stopAll();
  }

  /** False when no leader with a quorum is in sight: reads go on, writes are refused. */
  isWritable(): boolean {
    return this.consensus.hasQuorum;
  }

  /** What members say about this agent's own eviction; null when nobody says that it was evicted. */
  removal(): EvictionVerdict | null {
    return this.#inquiry.verdict();
  }

  /** Resolves when this replica has all that was committed. @throws AgentError NO_LEADER, STOPPED. */
  async readBarrier(timeoutMs: number): Promise<void> {
    await unlessAborted(this.consensus.readBarrier(timeoutMs), this.#stopping.signal);
  }

  /** @throws AgentError NO_LEADER, CONFLICT. */
  transferLeadership(to: PeerId | null, timeoutMs: number): Promise<boolean> {
    return this.#replica.transferLeadership(to, timeoutMs);
  }

  /** From this machine, from the node that ran it, or from a peer with a copy. @throws AgentError. */
  readTranscript(run: string, request: TranscriptRequest): Promise<TranscriptPart> {
    return this.#engine.readTranscript(run, request);
  }

  /** First to start and last to stop: its good-bye means that everything was handed over. */
  #supervisor({ dataDir }: AgentOptions): Service {
    const { mesh, clock, logger } = this.#deps;
    const listen = (): string => mesh.host.listenAddress();
    return new Supervisor({ dataDir, listen, clusterId: this.clusterId }, { clock, logger });
  }

  #createLineage({ dataDir, searchPath }: AgentOptions): AgentLineage {
    const { mesh, stateMachine, clock, logger } = this.#deps;
    const { clusterId, view } = this;
    const fenceOf = () => view.settings().settings.survivor?.fence ?? null;
    const describe = (id: string) => {
      const { node: name = id, address = "" } = view.member(asPeerId(id)) ?? {};
      return { name, address };
    };
    return new AgentLineage({
      ...this.#deps,
      clusterId,
      node: this.consensus,
      gossip: () => this.gossip,
      isDoubted: () => this.removal() !== null,
      submit: (command, by) => this.writer.submit(command, { by }),
      witness: createExitWitness({ ...mesh, clusterId, clock }),
      archive: new HistoryArchive({
        ...{ directory: path.join(dataDir, "archive"), clock, logger },
        image: () => stateMachine.image(),
      }),
      fencer: createFencer({ options: fenceOf, describe, searchPath, clock, logger }),
      random: systemRandom,
    });
  }

  #createInquiry({ dataDir }: AgentOptions): EvictionInquiry {
    const { mesh, clock, logger, fail } = this.#deps;
    const { clusterId, view } = this;
    const nameOf = ({ by }: { readonly by: PeerId }) => view.member(by)?.node ?? by;
    return new EvictionInquiry({
      ...{ self: mesh.identity.peer, view, gossip: this.gossip, clock, logger },
      random: systemRandom,
      lineage: () => this.consensus.lineage(),
      hasQuorum: () => this.isWritable(),
      ask: (peer, signal) => askStanding(peer, mesh.context, signal),
      onEvicted: ({ claims }) => {
        const notice = noticeOf(clusterId, claims, nameOf);
        const end = (): void => fail(evictedError(dataDir, notice));
        keepNotice(dataDir, notice).then(end, (error: unknown) => {
          logger.error({ error: errorMessage(error) }, "could not write down that it was evicted");
          end();
        });
      },
    });
  }

  #memberWatch(): Service {
    const { mesh, stateMachine, clock, logger, fail } = this.#deps;
    const { identity, host } = mesh;
    const message = "This agent was evicted from its cluster; join with an empty data directory";
    return new MemberWatch({
      self: identity.peer,
      stateMachine,
      host,
      gossip: this.gossip,
      clock,
      random: systemRandom,
      logger,
      onEvicted: () => fail(new AgentError("MEMBER_EVICTED", message)),
    });
  }

  #solitudeWatch({ gossipProfile, join }: AgentOptions): Service {
    const { mesh } = this.#deps;
    return new SolitudeWatch(
      { periodMs: solitudeMs[gossipProfile], seeds: join },
      {
        ...this.#deps,
        self: mesh.identity.peer,
        view: this.view,
        gossip: this.gossip,
      },
    );
  }

  #peerSearch({ gossipProfile, join }: AgentOptions): Service {
    const { mesh, admission } = this.#deps;
    const periodMs = solitudeMs[gossipProfile];
    return new PeerSearch(
      { seeds: join, periodMs, minRetryMs: 1000, maxRetryMs: 30_000 },
      {
        ...this.#deps,
        self: mesh.identity.peer,
        view: this.view,
        gossip: this.gossip,
        resolver: systemResolver,
        discovery: mesh.discovery,
        dial: (address, signal) => dialSeed(address, mesh.context, signal),
        isMember: (peer) => admission.isMember(peer),
        random: systemRandom,
      },
    );
  }

  #logReporter(): Service {
    return new LogReporter({
      ...this.#deps,
      self: asPeerId(this.#deps.mesh.identity.peer),
      view: this.view,
      status: () => this.consensus.status(),
      submit: (command) => this.writer.submit(command, { by: "agent" }),
    });
  }

  #facts(options: AgentOptions): Service {
    const { mesh, clock, logger } = this.#deps;
    return new FactsReporter({
      self: asPeerId(mesh.identity.peer),
      view: this.view,
      clock,
      logger,
      gather: () => gatherFacts(version, options.searchPath),
      address: () => mesh.host.addresses()[0] ?? options.listen,
      submit: (command) => this.writer.submit(command, { by: "agent" }),
    });
  }
}

function stopped(): AgentError {
  return new AgentError("STOPPED", "This agent stops before the cluster answered");
}
