/** What `bootstrap` adds to a start: the cluster's first command, its config source, and what to do next. */
import { delay, systemClock, unlessAborted } from "../base/clock.ts";
import { AgentError, isAgentError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { type Command } from "../inventory/commands.ts";
import { type AgentState } from "./agent-state.ts";
import { type ClusterServices } from "./cluster-services.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { newJoinToken } from "./tokens.ts";

export interface Founding {
  readonly options: AgentOptions;
  readonly state: AgentState;
  readonly mesh: Mesh;
  readonly services: ClusterServices;
}

const joinTokenTtlMs = 3_600_000;

/** Idempotent: a start that was interrupted is completed by the next one. */
export async function foundCluster(founding: Founding, signal: AbortSignal): Promise<void> {
  const { options, state, mesh, services } = founding;
  const { view } = services;
  await settled(services, signal);
  if (view.cluster() === null) {
    await submit(
      services,
      {
        type: "cluster.create",
        cluster: { id: state.clusterId, name: state.clusterName, user: options.user },
        member: {
          id: mesh.identity.peer,
          name: options.name,
          address: mesh.host.addresses()[0] ?? options.listen,
        },
      },
      signal,
    );
  }
  const { configRepo: source } = options;
  if (source !== null && view.config().source === null) {
    await submit(services, { type: "config.source", source }, signal);
  }
}

/** Waits until this agent leads or hears a leader: its replica is then whole. */
async function settled(services: ClusterServices, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await unlessAborted(services.consensus.readBarrier(2000), signal);
      return;
    } catch (error) {
      if (!isAgentError(error, "NO_LEADER")) throw error;
      if (services.view.cluster() !== null) return; // an old cluster waits for its other voters
      await delay(systemClock, 50, signal);
    }
  }
}

async function submit(
  services: ClusterServices,
  command: Command,
  signal?: AbortSignal,
): Promise<void> {
  const submitted = services.writer.submit(command, { by: "bootstrap", timeoutMs: 15_000 });
  const result = await (signal === undefined ? submitted : unlessAborted(submitted, signal));
  if (!result.ok && result.code !== "ALREADY_EXISTS" && result.code !== "CONFLICT") {
    throw new AgentError(result.code, result.message, result.details);
  }
}

/** Cluster id, how to reach the API, and one line to paste on the next node. */
export async function printWelcome(
  founding: Founding & { readonly isNew: boolean },
  print: (line: string) => void,
): Promise<void> {
  const { options, state, mesh, isNew } = founding;
  print(`cluster ${state.clusterName} ${state.clusterId}${isNew ? "" : " (was formed earlier)"}`);
  print(`API     unix socket ${options.apiSocket}`);
  print(`        try: muster --api-socket ${options.apiSocket} status`);
  if (!isNew) {
    print("next    muster token create, then on the next node: muster agent --join …");
    return;
  }
  const { id, token, verifier } = newJoinToken(newId(systemClock.wallMs()), state.clusterId);
  await submit(founding.services, {
    type: "token.create",
    id,
    kind: "join",
    verifier,
    role: null,
    name: null,
    uses: 1,
    ttlMs: joinTokenTtlMs,
  });
  const seed = mesh.host.addresses()[0] ?? options.listen;
  print("next    on the next node, within the hour, once (more tokens: muster token create):");
  print(`        MUSTER_JOIN_TOKEN=${token} muster agent --join ${seed}`);
}
