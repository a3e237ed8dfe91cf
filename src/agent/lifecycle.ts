/** The controllers: on the leader jobs, reachability and config; on every agent the runs of its own node. */
import path from "node:path";
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { ConfigController } from "../lifecycle/config-controller.ts";
import { LifecycleController } from "../lifecycle/controller.ts";
import { type LeaderDeps } from "../lifecycle/ports.ts";
import { ReachabilityReporter } from "../lifecycle/reachability-reporter.ts";
import { RunReconciler } from "../lifecycle/run-reconciler.ts";
import { FileRunVarsStore } from "../lifecycle/run-vars-store.ts";
import { type ClusterServices } from "./cluster-services.ts";
import { type Engine } from "./engine.ts";
import { leadershipOf } from "./leadership.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { TranscriptSpreader } from "./transcript-spreader.ts";

export interface LifecycleDeps {
  readonly mesh: Mesh;
  readonly stateMachine: InventoryStateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engine: Engine;
}

/** With the fast gossip profile the hold times are short too: it is for one machine, and for tests. */
const localPolicy = {
  holdMs: 500,
  settleMs: 1000,
  silentDoubtMs: 500,
  maxSettleMs: 5000,
  missingMs: 5000,
  quietMs: 200,
  batchWaitMs: 2000,
  massWindowMs: 5000,
  maxDoubtMs: 10_000,
  maxHoldMs: 5000,
  outageSlackMs: 1000,
};

export function createLifecycle(
  options: AgentOptions,
  cluster: ClusterServices,
  deps: LifecycleDeps,
): readonly Service[] {
  const { stateMachine, clock, engine, mesh } = deps;
  const self = mesh.identity.peer;
  const logger = deps.logger.child({ module: "lifecycle" });
  const leaderDeps: LeaderDeps = {
    clock,
    logger,
    view: stateMachine.view,
    onApplied: (listener) => stateMachine.onChanged(listener),
    propose: (command) => cluster.writer.submit(command, { by: "controller" }),
    readBarrier: (timeoutMs) => cluster.readBarrier(timeoutMs),
    leadership: leadershipOf(cluster.consensus),
  };
  const asNode: LeaderDeps["propose"] = (command) =>
    cluster.writer.submit(command, {
      by: `agent:${stateMachine.view.nodeById(self)?.name ?? self}`,
    });
  const policy = options.gossipProfile === "local" ? localPolicy : {};
  const vars = new FileRunVarsStore({ folder: path.join(options.dataDir, "run-vars") });
  const { ensureBundle, repository, runs, copies } = engine;
  return [
    new LifecycleController(
      {},
      { ...leaderDeps, leftBehind: () => cluster.lineage.leftBehindAt() },
    ),
    new ConfigController(
      { self, watchIntervalMs: options.configWatchMs },
      { ...leaderDeps, repository },
    ),
    new ReachabilityReporter({ policy }, { ...leaderDeps, self, gossip: cluster.gossip }),
    new RunReconciler(
      { self },
      { ...leaderDeps, propose: asNode, engine: runs, ensureBundle, vars },
    ),
    new TranscriptSpreader({ runs, copies, logger, record: recorder(cluster) }),
  ];
}

/** Tells the inventory which peers took a copy; the run's ledger entry comes about at the same time. */
function recorder(cluster: ClusterServices) {
  return async (run: string, peers: readonly Mesh["identity"]["peer"][]): Promise<void> => {
    const node = run.split("/")[1] ?? "";
    const command = { type: "run.transcripts", node, run, peers } as const;
    const result = await cluster.writer.submit(command, { by: "agent" });
    if (!result.ok) throw new AgentError(result.code, result.message);
  };
}
