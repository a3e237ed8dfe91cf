/** The agent as its API sees it, before and after it belongs to a cluster. */
import { type AgentIdentity, type ApiContext, type NewToken } from "../api/context.ts";
import { type Mode } from "../api/contract/cluster.ts";
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type ClusterServices } from "./cluster-services.ts";
import { type EventRing } from "../gossip/driver/event-ring.ts";
import { type Rpc } from "../p2p/ports.ts";
import { askMemberView } from "./member-views-rpc.ts";
import { newApiToken, newJoinToken, rememberingTokens } from "./tokens.ts";

export interface ApiContextDeps {
  readonly stateMachine: InventoryStateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly identity: () => AgentIdentity;
  readonly rpc: Rpc;
  /** Null before this agent has joined. */
  readonly cluster: () => ClusterServices | null;
  readonly userEvents: () => EventRing | null;
}

export function createApiContext(deps: ApiContextDeps): ApiContext {
  const { stateMachine, clock, logger } = deps;
  const { view } = stateMachine;
  const authenticate = rememberingTokens(view);
  const joined = (): ClusterServices => {
    const services = deps.cluster();
    if (services !== null) return services;
    throw notJoined();
  };
  return {
    view,
    clock,
    logger,
    onApplied: (listener) => stateMachine.onApplied(listener),
    submit: (command, options) =>
      deps.cluster()?.writer.submit(command, options) ?? Promise.reject(notJoined()),
    readBarrier: (timeoutMs) =>
      deps.cluster()?.consensus.readBarrier(timeoutMs) ?? Promise.reject(notJoined()),
    stateHash: () => ({ index: stateMachine.appliedIndex, sha256: stateMachine.hash() }),
    identity: deps.identity,
    mode: () => modeOf(deps.cluster()),
    generation: () => deps.cluster()?.consensus.generation().n ?? 1,
    lineage: () => deps.cluster()?.lineage ?? null,
    removal: () => deps.cluster()?.removal() ?? null,
    consensus: () => deps.cluster()?.consensus.status() ?? null,
    leaderContactMs: () => deps.cluster()?.consensus.leaderContactMs ?? null,
    members: () => deps.cluster()?.gossip.members() ?? [],
    gossipHealth: () => deps.cluster()?.gossip.health() ?? null,
    userEvents: deps.userEvents,
    membersOf: (peer, name) => askMemberView(deps.rpc, peer, name),
    transferLeadership: async (to, timeoutMs) => joined().transferLeadership(to, timeoutMs),
    readTranscript: async (run, request) => joined().readTranscript(run, request),
    newToken: (kind): NewToken => {
      const id = newId(clock.wallMs());
      return kind === "api" ? newApiToken(id) : newJoinToken(id, joined().clusterId);
    },
    authenticate: (token) => authenticate(token, clock.wallMs()),
    newId: () => newId(clock.wallMs()),
  };
}

function notJoined(): AgentError {
  return new AgentError("NO_CLUSTER", "This agent has not joined a cluster yet; it keeps trying");
}

/** Before it has joined, an agent is no less than it can be. */
function modeOf(cluster: ClusterServices | null): Mode {
  if (cluster === null) return "normal";
  if (!cluster.isWritable()) return "read-only";
  return cluster.lineage.isProvisional() ? "survivor" : "normal";
}
