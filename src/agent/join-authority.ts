/** Lets agents in on behalf of the cluster: any agent can, as the admission itself is a replicated command. */
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type GenerationRef } from "../consensus/lineage/types.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type JoinAuthority } from "../p2p/join-server.ts";
import { type JoinAnswer, maxMembersInAnswer } from "../p2p/join-wire.ts";
import { type Standing } from "../p2p/standing-wire.ts";

export interface JoinAuthorityDeps {
  readonly view: InventoryView;
  /** Null before this agent has joined itself. */
  readonly clusterId: () => string | null;
  /** In which the replica is now. */
  readonly generation: () => GenerationRef;
  /** Resolves when this replica has all that was committed. @throws AgentError where that cannot be had. */
  readonly readBarrier: (timeoutMs: number) => Promise<void>;
  /** @throws AgentError NO_LEADER before this agent runs its cluster's services. */
  readonly submit: (command: Command) => Promise<CommandResult>;
}

/** A part of the ten seconds that the server gives a dialogue. */
const barrierMs = 3000;

type JoinRequest = Parameters<JoinAuthority["admit"]>[0];

export function createJoinAuthority(deps: JoinAuthorityDeps): JoinAuthority {
  return {
    clusterId: deps.clusterId,
    standingOf: (peer) => standingOf(deps, peer),
    verifierOf: (tokenId) => verifierOf(deps, tokenId),
    admit: (request) => admit(deps, request),
  };
}

/**
 * Who was just given a token may use it through an agent that lags behind, and a token that does not exist ends the
 * newcomer for good: so only what was committed counts. That takes longer than with a token that is known, which tells
 * strangers whether an id exists; ids are no secret, they are in the log.
 */
async function verifierOf(
  deps: JoinAuthorityDeps,
  tokenId: string,
): Promise<{ readonly verifier: string } | null> {
  const { view } = deps;
  if (view.token(tokenId) === null) {
    await deps.readBarrier(barrierMs).catch((error: unknown) => {
      const text = `Whether the token exists cannot be told now: ${errorMessage(error)}`;
      throw new AgentError("NO_LEADER", text, {}, { cause: error });
    });
  }
  const token = view.token(tokenId);
  return token?.kind === "join" ? { verifier: token.verifier } : null;
}

function standingOf({ view, generation }: JoinAuthorityDeps, peer: PeerId): Standing {
  const member = view.member(peer);
  if (member === null) return { standing: "unknown" };
  const { n, id } = generation();
  const isEvicted = member.status === "evicted";
  const index = isEvicted ? member.version : view.appliedIndex;
  return { standing: isEvicted ? "evicted" : "admitted", generation: { n, id }, index };
}

async function admit(
  { view, submit }: JoinAuthorityDeps,
  request: JoinRequest,
): Promise<Omit<JoinAnswer, "reached">> {
  const { peer: id, name, address, tokenId } = request;
  const result = await submit({ type: "member.admit", id, name, address, token: tokenId });
  if (!result.ok) throw new AgentError(result.code, result.message, result.details);
  const cluster = view.cluster();
  if (cluster === null) throw new AgentError("NO_LEADER", "This agent has no replica yet");
  const { value } = result;
  const nodeName = isJsonObject(value) && typeof value["node"] === "string" ? value["node"] : name;
  const members = view
    .members()
    .filter((member) => member.status === "admitted" && member.id !== id)
    .slice(0, maxMembersInAnswer)
    .map((member) => ({ id: member.id, address: member.address, name: member.node }));
  return { clusterId: cluster.id, clusterName: cluster.name, nodeName, members };
}
