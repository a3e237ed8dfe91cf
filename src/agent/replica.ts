/** This agent's replica of the inventory: log, snapshots, Raft, autopilot, and the way to the leader. */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { type Clock } from "../base/clock.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { systemRandom } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { simpleConfiguration } from "../consensus/core/configuration.ts";
import { createCore } from "../consensus/core/raft.ts";
import { defaultCoreOptions } from "../consensus/core/options.ts";
import { Autopilot, type ClusterMembers } from "../consensus/driver/autopilot.ts";
import { defaultAutopilotLimits } from "../consensus/driver/autopilot-plan.ts";
import { createConsensusNode, type MeasuredConsensusNode } from "../consensus/driver/driver.ts";
import { defaultDriverOptions } from "../consensus/driver/options.ts";
import { defaultRelayOptions, Relay } from "../consensus/driver/relay.ts";
import { immediateScheduler } from "../consensus/driver/scheduler.ts";
import { Submitter } from "../consensus/driver/submitter.ts";
import { bootstrapLineage } from "../consensus/lineage/generation.ts";
import { defaultLevelLogOptions } from "../consensus/storage/level-log.ts";
import { SalvagingLogStore } from "../consensus/storage/salvaging-log.ts";
import { defaultMaxSnapshotBytes, SnapshotFiles } from "../consensus/storage/snapshot-files.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { admitEnvelope, stampEnvelope } from "../inventory/codec.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type AgentState } from "./agent-state.ts";
import { ClockSkew } from "./clock-skew.ts";
import { withFailpoint } from "./failpoint.ts";
import { handingOver } from "./handing-over.ts";
import { forwarding, forwardTransfer, serveLeaderDoor } from "./leader-door.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { ownMeasure } from "./own-measure.ts";
import { askLeader, relayPeers, serveRelay } from "./relay-rpc.ts";
import { type ExitHold } from "./supervisor/exit-hold.ts";

export interface Replica {
  readonly node: MeasuredConsensusNode<CommandResult>;
  readonly submitter: Submitter<CommandResult>;
  readonly services: readonly Service[];
  transferLeadership(to: PeerId | null, timeoutMs: number): Promise<boolean>;
}

export interface ReplicaDeps {
  readonly mesh: Mesh;
  readonly stateMachine: InventoryStateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly gossip: () => GossipNode;
  readonly hold: ExitHold;
  /** May the leader of two go on without its silent partner? */
  readonly mayEvict: (partner: string) => boolean;
}

interface Agent {
  readonly options: AgentOptions;
  readonly state: AgentState;
}

export function createReplica(agent: Agent, deps: ReplicaDeps): Replica {
  const { options } = agent;
  const { mesh, stateMachine, clock } = deps;
  const logger = deps.logger.child({ module: "consensus" });
  const self = mesh.identity.peer;
  const { rpc } = mesh;
  const node = createNode(agent, { ...deps, logger });
  const propose = withFailpoint(
    options.failpoint,
    handingOver({ self, view: stateMachine.view }, node),
  );
  const skew = new ClockSkew({ clock, logger });
  const submitter = new Submitter<CommandResult>({
    self,
    node: {
      propose,
      hasten: (index) => node.hasten(index),
      waitApplied: (index, timeoutMs) => node.waitApplied(index, timeoutMs),
      resultAt: (index, term) => node.resultAt(index, term),
      status: () => node.status(),
      generation: () => node.generation(),
      onChange: (listener) => node.onChange(listener),
    },
    stamp: (request) => stampEnvelope(request, clock.wallMs()),
    admit: (request) => {
      skew.note(request);
      return admitEnvelope(request, clock.wallMs());
    },
    ...forwarding({ rpc, node, clock }),
    clock,
    random: systemRandom,
  });
  serveLeaderDoor({
    ...{ rpc, node, clock, life: randomUUID() },
    handleForward: (request) => submitter.handleForward(request),
  });
  const relay = new Relay(
    { ...defaultRelayOptions, self },
    { node, peers: relayPeers(rpc, deps.gossip), clock, random: systemRandom, logger },
  );
  serveRelay(rpc, relay, node);
  const autopilot = new Autopilot(
    { self, limits: { ...defaultAutopilotLimits, ...options.places } },
    { node, members: clusterMembers(deps), clock, logger },
  );
  return {
    node,
    submitter,
    services: [node, autopilot, relay],
    transferLeadership: (to, timeoutMs) => forwardTransfer({ rpc, self }, node, to, timeoutMs),
  };
}

function createNode(
  { options, state }: Agent,
  { mesh, stateMachine, clock, logger, hold, mayEvict }: ReplicaDeps,
): MeasuredConsensusNode<CommandResult> {
  const self = mesh.identity.peer;
  const directory = path.join(options.dataDir, "raft");
  const snapshots = new SnapshotFiles(
    { directory: path.join(directory, "snapshots"), maxBytes: defaultMaxSnapshotBytes },
    { logger },
  );
  const own = (most: number): number => ownMeasure(self, most);
  const writeBufferBytes = own(defaultLevelLogOptions.writeBufferBytes);
  const logOptions = { ...defaultLevelLogOptions, directory, writeBufferBytes };
  return createConsensusNode<CommandResult>(
    {
      ...defaultDriverOptions,
      core: { ...defaultCoreOptions, mayEvict },
      self,
      bootstrap: state.founder ? simpleConfiguration([self]) : null,
      lineage: bootstrapLineage(state.clusterId),
      held: hold.statements.length > 0,
      starts: state.starts,
      hadLog: state.hadLog,
      snapshotEntries: own(options.snapshotEntries),
      snapshotLogBytes: own(defaultDriverOptions.snapshotLogBytes),
      transferOnStopMs: 0, // the agent gives leadership away first, while it still takes writes
      trailingEntries: Math.floor(options.snapshotEntries / 2),
    },
    {
      createCore,
      log: new SalvagingLogStore(logOptions, { clock, snapshots, logger }),
      snapshots,
      stateMachine,
      transport: mesh.raft,
      clock,
      random: systemRandom,
      scheduler: immediateScheduler,
      logger,
      askLeader: askLeader(mesh.rpc),
    },
  );
}

/** Who may be in the Raft group: the inventory says; whom gossip calls failed is not given a place. */
function clusterMembers({ stateMachine, gossip }: ReplicaDeps): ClusterMembers {
  const { view } = stateMachine;
  const status = (id: string) => view.member(asPeerId(id))?.status ?? null;
  return {
    admitted: () =>
      view
        .members()
        .filter((member) => member.status === "admitted")
        .toSorted((a, b) => a.admittedAt - b.admittedAt)
        .map((member) => member.id),
    isGone: (id) => status(id) === "evicted",
    isAlive: (id) => gossip().member(asPeerId(id))?.status === "alive",
  };
}
