/**
 * The composition root: one agent from its options. Layers start bottom-up — data directory, mesh, API — and the
 * cluster's services on top as soon as this agent belongs to one; they stop in reverse.
 */
import { type ApiServer, createApiServer } from "../api/server.ts";
import { toMembers } from "../api/views/cluster.ts";
import { systemClock } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service, startAll } from "../base/service.ts";
import { version } from "../base/version.ts";
import { EventRing } from "../gossip/driver/event-ring.ts";
import { type MemberView } from "../gossip/ports.ts";
import { InventoryStateMachine } from "../inventory/state-machine.ts";
import { type InventoryView } from "../inventory/view.ts";
import { loadIdentity } from "../p2p/identity.ts";
import { type DirLock } from "../storage/dir-lock.ts";
import { InventoryAdmission } from "./admission.ts";
import { type AgentState } from "./agent-state.ts";
import { createApiContext } from "./api-context.ts";
import { ClusterServices } from "./cluster-services.ts";
import { prepareDataDir } from "./data-dir.ts";
import {
  countStart,
  enterCluster,
  type EntranceInput,
  noteLog,
  recallCluster,
} from "./enter-cluster.ts";
import { foundCluster, printWelcome } from "./found-cluster.ts";
import { createJoinAuthority } from "./join-authority.ts";
import { serveMemberViews } from "./member-views-rpc.ts";
import { announceMember, createMesh, joinService, type Mesh, warnOfLoopback } from "./mesh.ts";
import { addMesh } from "./mesh-metrics.ts";
import { addSources } from "./metric-sources.ts";
import { namedLogger } from "./named-logger.ts";
import { ExitHold } from "./supervisor/exit-hold.ts";
import { takeDataDir } from "./supervisor/take-data-dir.ts";

export interface AgentDeps {
  readonly logger: Logger;
  /** Lines for the operator who forms a cluster. */
  readonly print: (line: string) => void;
}

/** Writes under way when the agent is asked to stop get so long to be answered. */
const drainMs = 1000;

export class Agent {
  readonly #input: EntranceInput;
  readonly #deps: AgentDeps;
  readonly #failed = Promise.withResolvers<Error>();
  #cluster: ClusterServices | null = null;
  #userEvents: EventRing | null = null;
  #state: AgentState | null = null;
  #lock: DirLock | null = null;
  #server: ApiServer | null = null;
  #stopBase: () => Promise<void> = () => Promise.resolve();

  constructor(input: EntranceInput, deps: AgentDeps) {
    this.#input = input;
    this.#deps = deps;
  }

  /** Resolves when this agent serves its cluster. @throws AgentError; everything that was started is stopped. */
  async start(signal: AbortSignal): Promise<void> {
    const { options, mode } = this.#input;
    await prepareDataDir(options.dataDir);
    this.#lock = await takeDataDir(options.dataDir, { clock: systemClock, signal });
    this.#state = await recallCluster(this.#input);
    const identity = await loadIdentity(options.dataDir, { isMember: this.#state !== null });
    const stateMachine = new InventoryStateMachine({
      logger: this.#deps.logger.child({ module: "inventory" }),
    });
    const { view } = stateMachine;
    const logger = namedLogger(this.#deps.logger, (id) => this.#nodeOf(view, asPeerId(id)));
    const admission = new InventoryAdmission(view);
    const clusterId = (): string | null => this.#state?.clusterId ?? null;
    const clock = systemClock;
    const authority = createJoinAuthority({
      view,
      clusterId: () => (this.#cluster === null ? null : clusterId()),
      generation: () => this.#joined().consensus.generation(),
      readBarrier: (timeoutMs) => this.#joined().readBarrier(timeoutMs),
      submit: (command) => this.#joined().writer.submit(command, { by: "join" }),
    });
    const mesh = createMesh(options, { identity, admission, authority, clock, logger, clusterId });
    const api = this.#api(mesh, stateMachine);
    const discovery = mesh.discovery === null ? [] : [mesh.discovery];
    const base = [
      mesh.host,
      mesh.rpc,
      mesh.raft,
      mesh.gossip,
      joinService(mesh),
      api,
      ...discovery,
    ];
    this.#stopBase = await startAll(base, signal);
    warnOfLoopback(mesh, options);

    const isNew = this.#state === null;
    const entered = this.#state ?? (await enterCluster(this.#input, mesh, { logger, signal }));
    this.#state = await countStart(options, entered);
    admission.introduce(this.#state.peers.map((peer) => peer.id));
    const services = new ClusterServices(
      { options, state: this.#state },
      {
        mesh,
        admission,
        stateMachine,
        hold: await ExitHold.read(options.dataDir),
        clock,
        logger,
        fail: (error) => this.#failed.resolve(error),
      },
    );
    admission.believe((peer) => isUp(services.gossip.member(peer)));
    this.#cluster = services;
    this.#userEvents = new EventRing({ self: identity.peer, gossip: services.gossip, clock });
    await services.start(signal);
    this.#state = await noteLog(options, this.#state);
    announceMember(mesh, this.#state);
    if (mode === "bootstrap") {
      if (this.#state.founder)
        await foundCluster({ options, state: this.#state, mesh, services }, signal);
      await printWelcome({ options, state: this.#state, mesh, services, isNew }, this.#deps.print);
    }
    logger.info({ cluster: this.#state.clusterId, node: this.#nodeName() }, "agent runs");
  }

  /** Resolves with null when `signal` aborts, or with the failure that ends this agent. */
  async ended(signal: AbortSignal): Promise<Error | null> {
    const { promise, resolve } = Promise.withResolvers<null>();
    if (signal.aborted) resolve(null);
    signal.addEventListener("abort", () => resolve(null), { once: true });
    return Promise.race([promise, this.#failed.promise]);
  }

  /** `leave`: say good-bye, so that the others do not wait for this agent to come back. */
  async stop({ leave }: { readonly leave: boolean }): Promise<void> {
    const cluster = this.#cluster;
    // At once: handing over, draining and the good-bye one after another could outlast the time a stop may take.
    await Promise.all([cluster && this.#drain(cluster), leave && cluster?.leave()]);
    this.#cluster = null;
    const unclean = (error: unknown): void => {
      this.#deps.logger.warn({ error: errorMessage(error) }, "a service did not stop cleanly");
    };
    await cluster?.stop().catch(unclean);
    await this.#stopBase().catch(unclean);
    await this.#lock?.release();
    this.#lock = null;
  }

  /**
   * Requests under way, and those that still come on open connections, are answered while leadership moves to
   * another agent: a caller learns from `Connection: close` that the next one goes elsewhere.
   */
  async #drain(cluster: ClusterServices): Promise<void> {
    this.#server?.drain();
    await cluster.handOver();
    const patienceMs = cluster.isWritable() ? drainMs : 0;
    const cancel = systemClock.setTimer(patienceMs, () => cluster.endWaiting());
    try {
      await this.#server?.stop();
    } finally {
      cancel();
    }
  }

  #joined(): ClusterServices {
    if (this.#cluster !== null) return this.#cluster;
    throw new AgentError("NO_LEADER", "This agent has not joined a cluster itself yet");
  }

  /** What the inventory calls a node; before it has come, what the node calls itself. */
  #nodeOf(view: InventoryView, id: PeerId): string | null {
    return view.nodeById(id)?.name ?? this.#cluster?.gossip.member(id)?.name ?? null;
  }

  #nodeName(): string {
    return this.#state?.nodeName ?? this.#input.options.name;
  }

  #api(mesh: Mesh, stateMachine: InventoryStateMachine): Service {
    const { options } = this.#input;
    const logger = this.#deps.logger.child({ module: "api" });
    const id = mesh.identity.peer;
    const context = createApiContext({
      stateMachine,
      clock: systemClock,
      logger,
      identity: () => ({ id, name: this.#nameOf(stateMachine, id), version }),
      rpc: mesh.rpc,
      cluster: () => this.#cluster,
      userEvents: () => this.#userEvents,
    });
    serveMemberViews(mesh.rpc, () => toMembers(context));
    const { apiSocket: socketPath, apiListen: listen, apiTls: tls } = options;
    const server = createApiServer({ socketPath, listen, tls }, context);
    this.#server = server;
    addSources(server.metrics, { stateMachine, cluster: () => this.#cluster });
    addMesh(server.metrics, mesh);
    return server;
  }

  /** The name in the inventory wins: a conflict may have given this node a suffix. */
  #nameOf(stateMachine: InventoryStateMachine, id: Mesh["identity"]["peer"]): string {
    return stateMachine.view.nodeById(id)?.name ?? this.#nodeName();
  }
}

function isUp(member: MemberView | null): boolean {
  return member?.status === "alive" || member?.status === "suspect";
}
