/**
 * Joins a cluster through any of its members: those at the seeds, and those that discovery hears of. Several at
 * once, for ever, until one admits this agent or the refusal is one that no retry can change. The member must prove
 * that it knows the token before this agent says its name, so nobody can lure it into a false cluster.
 */
import { randomBytes } from "node:crypto";
import { type Connection } from "@libp2p/interface";
import { delay } from "../base/clock.ts";
import { AgentError, errorMessage, isAgentError } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { formatHostPort, type HostPort, toMultiaddr } from "./address.ts";
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
import { resolveSeeds, type Resolver } from "./seeds.ts";

export interface JoinAttempt {
  readonly seed: string;
  /** Named by the operator; else by somebody on the network, who may have made it up. */
  readonly isSeed: boolean;
  readonly error: AgentError;
  /** Until the next round begins; null when this refusal is final. */
  readonly retryMs: number | null;
}

/** Addresses that somebody on the network claims to be members'. Hints: anybody can make them up. */
export interface Hints {
  addresses(): readonly HostPort[];
  /** Called when there are new ones. */
  onFound(listener: () => void): () => void;
}

export interface JoinOptions {
  /** `HOST:PORT` or `srv:NAME` each. */
  readonly seeds: readonly string[];
  readonly resolver: Resolver;
  readonly hints: Hints | null;
  readonly token: string;
  readonly name: string;
  /** Where this agent listens, for the members. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly onAttempt?: (attempt: JoinAttempt) => void;
  /** A round found no address at all to try. */
  readonly onNobody?: (retryMs: number) => void;
}

/** A handshake with a busy machine, and a dialogue after it, each as long as the other end allows. */
const attemptMs = 90_000;
const minRetryMs = 1_000;
const maxRetryMs = 30_000;
/** As many dialogues at once, the later ones begun only when the earlier take long ("happy eyeballs"). */
const parallel = 5;
const staggerMs = 300;

/** @throws AgentError with a final refusal's code, or the signal's reason */
export async function joinCluster(options: JoinOptions, context: MeshContext): Promise<JoinAnswer> {
  const token = parseJoinToken(options.token);
  for (let round = 0; ; round += 1) {
    const step = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(round, 16));
    const retryMs = Math.round(step * (0.5 + context.random.float() / 2));
    const outcome = await new Round(token, { options, context, retryMs }).run();
    if (!(outcome instanceof AgentError)) return outcome;
    if (outcome.code !== P2pCode.joinFailed) throw outcome;
    await pause(retryMs, { options, context });
  }
}

interface RoundParts {
  readonly options: JoinOptions;
  readonly context: MeshContext;
  readonly retryMs: number;
}

interface Candidate {
  readonly address: HostPort;
  /** Named by the operator; what an unproven stranger elsewhere says is not taken for final. */
  readonly isSeed: boolean;
}

/** One look at all addresses there are now. */
class Round {
  readonly #token: JoinToken;
  readonly #parts: RoundParts;
  readonly #decided = new AbortController();
  #answer: JoinAnswer | null = null;
  #final: AgentError | null = null;

  constructor(token: JoinToken, parts: RoundParts) {
    this.#token = token;
    this.#parts = parts;
  }

  /** The answer of the first that admits, a final refusal, or JOIN_FAILED: try again. */
  async run(): Promise<JoinAnswer | AgentError> {
    const { options, context } = this.#parts;
    const queue = await this.#candidates();
    if (queue.length === 0) options.onNobody?.(this.#parts.retryMs);
    const work = async (ordinal: number): Promise<void> => {
      if (ordinal > 0) await this.#stagger(ordinal * staggerMs);
      while (!this.#decided.signal.aborted) {
        options.signal.throwIfAborted();
        const next = queue.shift();
        if (next === undefined) return;
        await this.#try(next);
      }
    };
    const workers = Math.min(parallel, queue.length);
    await Promise.all(Array.from({ length: workers }, (_, ordinal) => work(ordinal)));
    context.logger.debug({ admitted: this.#answer !== null }, "a round of join attempts ended");
    const nobody = "No member admitted this agent in this round.";
    return this.#answer ?? this.#final ?? new AgentError(P2pCode.joinFailed, nobody);
  }

  async #candidates(): Promise<Candidate[]> {
    const { options, context, retryMs } = this.#parts;
    const resolveDeps = { ...context, resolver: options.resolver };
    const resolved = await resolveSeeds(options.seeds, resolveDeps, options.signal);
    for (const failure of resolved.failures)
      options.onAttempt?.({ ...failure, isSeed: true, retryMs });
    const named = new Set(resolved.addresses.map(formatHostPort));
    const heard = (options.hints?.addresses() ?? []).filter(
      (address) => !named.has(formatHostPort(address)),
    );
    return [
      ...resolved.addresses.map((address) => ({ address, isSeed: true })),
      ...heard.map((address) => ({ address, isSeed: false })),
    ];
  }

  async #try({ address, isSeed }: Candidate): Promise<void> {
    const { options, context, retryMs } = this.#parts;
    const progress = { isProven: false };
    const signal = AbortSignal.any([options.signal, this.#decided.signal]);
    try {
      const limit = { clock: context.clock, ms: attemptMs, signal };
      this.#answer ??= await withDeadline(limit, (ends) =>
        joinThrough(address, { ...this.#parts, token: this.#token, signal: ends, progress }),
      );
      this.#decided.abort();
    } catch (cause) {
      options.signal.throwIfAborted();
      if (this.#decided.signal.aborted) return;
      const error = failureOf(address, cause);
      const isFinal = finalRefusals.includes(error.code) && (isSeed || progress.isProven);
      const seed = formatHostPort(address);
      options.onAttempt?.({ seed, isSeed, error, retryMs: isFinal ? null : retryMs });
      if (!isFinal) return;
      this.#final ??= error;
      // Whoever proved the token speaks for the cluster; a wrong seed may stand beside a right one.
      if (progress.isProven) this.#decided.abort();
    }
  }

  async #stagger(ms: number): Promise<void> {
    const { options, context } = this.#parts;
    const signal = AbortSignal.any([options.signal, this.#decided.signal]);
    await delay(context.clock, ms, signal).catch(() => {
      // Decided meanwhile, or stopped: the caller looks.
    });
  }
}

/** Waits for the next round; news from discovery begins it at once. */
async function pause(
  ms: number,
  { options, context }: Pick<RoundParts, "options" | "context">,
): Promise<void> {
  const news = new AbortController();
  const unsubscribe = options.hints?.onFound(() => news.abort());
  try {
    await delay(context.clock, ms, AbortSignal.any([options.signal, news.signal]));
  } catch {
    options.signal.throwIfAborted();
  } finally {
    unsubscribe?.();
  }
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
    // This connection only: another dialogue with the same member may run over another of its addresses.
    connection.abort(new AgentError(P2pCode.joinFailed, "The join broke off."));
    throw error;
  }
}

interface Attempt extends RoundParts {
  readonly token: JoinToken;
  readonly signal: AbortSignal;
  /** Whether the other end proved that it knows the token. */
  readonly progress: { isProven: boolean };
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

function failureOf(address: HostPort, cause: unknown): AgentError {
  const code = isAgentError(cause) ? cause.code : P2pCode.joinFailed;
  const hint = advice[code] === undefined ? "" : ` ${advice[code]}`;
  const reason = errorMessage(cause).replace(/\.$/, "");
  const text = `Could not join through ${formatHostPort(address)}: ${reason}.${hint}`;
  return new AgentError(code, text, { seed: formatHostPort(address) }, { cause });
}
