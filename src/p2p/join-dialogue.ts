/**
 * One attempt to join through whoever is at an address. The member must prove that it knows the token before this agent
 * says its name, so nobody can lure it into a false cluster.
 */
import { randomBytes } from "node:crypto";
import { type Connection } from "@libp2p/interface";
import { AgentError, errorMessage, isAgentError } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { formatHostPort, type HostPort, toMultiaddr } from "./address.ts";
import { P2pCode } from "./errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import { type JoinToken } from "./join-token.ts";
import {
  decodeJoinAnswer,
  decodeJoinProof,
  encodeJoin,
  maxAnswerFrame,
  nonceBytes,
  proofOf,
  provesEqual,
  type JoinAnswer,
} from "./join-wire.ts";
import { type MeshContext } from "./mesh-context.ts";
import { Protocol } from "./protocols.ts";

export interface Attempt {
  readonly token: JoinToken;
  /** What this agent says of itself to a member that proved the token. */
  readonly options: { readonly name: string; readonly address: string };
  readonly context: MeshContext;
  readonly signal: AbortSignal;
  /** Whether the other end proved that it knows the token. */
  readonly progress: { isProven: boolean };
}

/** @throws whatever the dialogue ended with; `joinFailure` makes it one that can be shown */
export async function joinThrough(address: HostPort, attempt: Attempt): Promise<JoinAnswer> {
  const { context, signal } = attempt;
  const connection = await context.host.dialAddress(toMultiaddr(address), signal);
  try {
    const stream = await connection.newStream(Protocol.join, { signal });
    const channel = new FrameChannel(stream, { maxFrameBytes: maxAnswerFrame, maxUnread: 2 });
    try {
      return await dialogue(channel, connection, attempt);
    } finally {
      channel.end(attempt.context.clock);
    }
  } catch (error) {
    // This connection only: another dialogue with the same member may run over another of its addresses.
    connection.abort(new AgentError(P2pCode.joinFailed, "The join broke off."));
    throw error;
  }
}

async function dialogue(
  channel: FrameChannel,
  connection: Connection,
  { token, options, context, signal, progress }: Attempt,
): Promise<JoinAnswer> {
  const { clusterId, tokenId, verifier } = token;
  const clientNonce = randomBytes(nonceBytes);
  channel.write(encodeJoin({ clusterId, tokenId, nonce: clientNonce }));
  const { nonce: serverNonce, proof } = decodeJoinProof(await channel.read(signal));
  const client = context.host.id;
  const server = asPeerId(connection.remotePeer.toString());
  const input = { verifier, client, server, clientNonce, serverNonce, clusterId };
  if (!provesEqual(proofOf({ ...input, label: "server" }), proof)) {
    throw new AgentError(P2pCode.tokenInvalid, "the agent there does not know this token");
  }
  progress.isProven = true;
  const { name, address } = options;
  channel.write(encodeJoin({ proof: proofOf({ ...input, label: "client" }), name, address }));
  const answer = decodeJoinAnswer(await channel.read(signal));
  if (answer.clusterId !== clusterId) {
    throw new AgentError(P2pCode.foreignCluster, "the agent there answers for another cluster");
  }
  return answer;
}

const advice: Readonly<Record<string, string>> = {
  [P2pCode.tokenInvalid]: "Check the token, or make a new one with: muster token create.",
  [P2pCode.tokenExpired]: "The command is: muster token create.",
  [P2pCode.tokenUsed]: "The command is: muster token create.",
  [P2pCode.tokenName]: "Start with --name as the token says, or make another: muster token create.",
  [P2pCode.foreignCluster]: "Check the seeds: they belong to another cluster than the token.",
  [P2pCode.memberEvicted]: "This agent was removed; remove its data directory to join as new.",
};

/** With a code, and what to do about it. */
export function joinFailure(address: HostPort, cause: unknown): AgentError {
  const code = isAgentError(cause) ? cause.code : P2pCode.joinFailed;
  const hint = advice[code] === undefined ? "" : ` ${advice[code]}`;
  const reason = errorMessage(cause).replace(/\.$/, "");
  const text = `Could not join through ${formatHostPort(address)}: ${reason}.${hint}`;
  return new AgentError(code, text, { seed: formatHostPort(address) }, { cause });
}
