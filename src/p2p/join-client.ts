/**
 * Joins a cluster through any of its members. Tries all seeds, for ever, until one admits this agent or the
 * refusal is one that no retry can change. The member must prove that it knows the token before this agent
 * says its name, so nobody can lure it into a false cluster.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { randomBytes } from "node:crypto";
import { type Connection } from "@libp2p/interface";
import { delay } from "../base/clock.ts";
import { AgentError, errorMessage, isAgentError } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { shuffle } from "../base/random.ts";
import { formatHostPort, requireHostPort, toMultiaddr, type HostPort } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { finalRefusals, P2pCode } from "./errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import { parseJoinToken, type JoinToken } from "./join-token.ts";
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

export interface JoinAttempt {
  readonly seed: string;
  readonly error: AgentError;
  /** Until the next round begins; null when this refusal is final. */
  readonly retryMs: number | null;
}

export interface JoinOptions {
  /** `host:port` each; names are resolved anew in every round. */
  readonly seeds: readonly string[];
  readonly token: string;
  readonly name: string;
  /** Where this agent listens, for the members. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly onAttempt?: (attempt: JoinAttempt) => void;
}

const attemptMs = 15_000;
const minRetryMs = 1_000;
const maxRetryMs = 30_000;

/** @throws AgentError with a final refusal's code, or the signal's reason */
export async function joinCluster(options: JoinOptions, context: MeshContext): Promise<JoinAnswer> {
  const token = parseJoinToken(options.token);
  const seeds = options.seeds.map(requireHostPort);
  for (let round = 0; ; round += 1) {
    const step = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(round, 16));
    const retryMs = step * (0.5 + context.random.float() / 2);
    const outcome = await tryAll(seeds, token, { options, context, retryMs });
    if (!(outcome instanceof AgentError)) return outcome;
    if (finalRefusals.includes(outcome.code)) throw outcome;
    await delay(context.clock, retryMs, options.signal);
  }
}

interface Round {
  readonly options: JoinOptions;
  readonly context: MeshContext;
  readonly retryMs: number;
}

/** The answer of the first seed that admits, or else the refusal that matters most: a final one. */
async function tryAll(
  seeds: readonly HostPort[],
  token: JoinToken,
  { options, context, retryMs }: Round,
): Promise<JoinAnswer | AgentError> {
  const addresses = (await Promise.all(seeds.map(resolve))).flat();
  let worst: AgentError = new AgentError(
    P2pCode.joinFailed,
    "None of the seeds has an address now.",
  );
  for (const address of shuffle(addresses, context.random)) {
    options.signal.throwIfAborted();
    try {
      return await attempt(address, token, { options, context, retryMs });
    } catch (cause) {
      options.signal.throwIfAborted();
      const error = failureOf(address, cause);
      const final = finalRefusals.includes(error.code);
      if (final || !finalRefusals.includes(worst.code)) worst = error;
      const seed = formatHostPort(address);
      options.onAttempt?.({ seed, error, retryMs: final ? null : retryMs });
    }
  }
  return worst;
}

function attempt(address: HostPort, token: JoinToken, round: Round): Promise<JoinAnswer> {
  const limit = { clock: round.context.clock, ms: attemptMs, signal: round.options.signal };
  return withDeadline(limit, (signal) => joinThrough(address, { ...round, token, signal }));
}

async function joinThrough(address: HostPort, attempt: Attempt): Promise<JoinAnswer> {
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
    context.host.disconnect(asPeerId(connection.remotePeer.toString()));
    throw error;
  }
}

interface Attempt extends Round {
  readonly token: JoinToken;
  readonly signal: AbortSignal;
}

async function dialogue(
  channel: FrameChannel,
  connection: Connection,
  { token, options, context, signal }: Attempt,
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
  const { name, address } = options;
  channel.write(encodeJoin({ proof: proofOf({ ...input, label: "client" }), name, address }));
  const answer = decodeJoinAnswer(await channel.read(signal));
  if (answer.clusterId !== clusterId) {
    throw new AgentError(P2pCode.foreignCluster, "the agent there answers for another cluster");
  }
  return answer;
}

/** All addresses of a seed; a name that does not resolve now has none. */
async function resolve(seed: HostPort): Promise<readonly HostPort[]> {
  if (isIP(seed.host) !== 0) return [seed];
  try {
    const found = await lookup(seed.host, { all: true });
    return found.map(({ address }) => ({ host: address, port: seed.port }));
  } catch {
    return [seed]; // the dial reports that the name is unknown
  }
}

const advice: Readonly<Record<string, string>> = {
  [P2pCode.tokenInvalid]: "Check the token, or make a new one with: muster token create.",
  [P2pCode.tokenExpired]: "Make a new token with: muster token create.",
  [P2pCode.tokenUsed]: "Make a new token with: muster token create.",
  [P2pCode.tokenName]: "The token is bound to another node name.",
  [P2pCode.foreignCluster]: "Check the seeds: they belong to another cluster than the token.",
  [P2pCode.memberEvicted]: "This agent was removed; remove its data directory to join as new.",
};

function failureOf(address: HostPort, cause: unknown): AgentError {
  const code = isAgentError(cause) ? cause.code : P2pCode.joinFailed;
  const hint = advice[code] === undefined ? "" : ` ${advice[code]}`;
  const reason = errorMessage(cause).replace(/\.$/, "");
  const text = `Could not join through ${formatHostPort(address)}: ${reason}.${hint}`;
  return new AgentError(code, text, { seed: formatHostPort(address) }, { cause });
}
