/**
 * Joins a cluster through any of its members: those at the seeds, and those that discovery hears of. Several at
 * once, for ever, until one admits this agent or the refusal is one that no retry can change. Whoever takes the
 * connection and then says nothing keeps nobody from the others: it has its time, and they are asked again meanwhile.
 */
import { delay } from "../base/clock.ts";
import { type AgentError } from "../base/errors.ts";
import { shuffle } from "../base/random.ts";
import { formatHostPort, type HostPort } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { finalRefusals } from "./errors.ts";
import { joinFailure, joinThrough } from "./join-dialogue.ts";
import { parseJoinToken, type JoinToken } from "./join-token.ts";
import { type JoinAnswer } from "./join-wire.ts";
import { type MeshContext } from "./mesh-context.ts";
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
  /** A seed has taken its time and gave no answer yet; it is waited for. */
  readonly onSlow?: (seed: string, waitedMs: number) => void;
  /** A round found no address at all to try. */
  readonly onNobody?: (retryMs: number) => void;
}

/** A handshake with a busy machine, and a dialogue after it, each as long as the other end allows. */
const attemptMs = 90_000;
/** After this long the others are tried beside it. */
const slowMs = 5_000;
const minRetryMs = 1_000;
const maxRetryMs = 30_000;
/** As many dialogues at once, the later ones begun only when the earlier take long ("happy eyeballs"). */
const parallel = 5;
const staggerMs = 300;
/** With slow ones. Anybody on the network can name addresses that take a connection and say nothing; seeds are always tried. */
const maxUnderWay = 24;

/** @throws AgentError with a final refusal's code, or the signal's reason */
export async function joinCluster(options: JoinOptions, context: MeshContext): Promise<JoinAnswer> {
  return new Search(parseJoinToken(options.token), options, context).run();
}

interface Candidate {
  readonly address: HostPort;
  /** Named by the operator; what an unproven stranger elsewhere says is not taken for final. */
  readonly isSeed: boolean;
}

class Search {
  readonly #token: JoinToken;
  readonly #options: JoinOptions;
  readonly #context: MeshContext;
  readonly #decided = new AbortController();
  /** Aborts with the caller's signal, and as soon as it is decided. */
  readonly #over: AbortSignal;
  /** By address. Each resolves when its attempt ended, however it did. */
  readonly #underWay = new Map<string, Promise<void>>();
  #answer: JoinAnswer | null = null;
  #final: AgentError | null = null;
  /** Until the next round. */
  #retryMs = minRetryMs;

  constructor(token: JoinToken, options: JoinOptions, context: MeshContext) {
    this.#token = token;
    this.#options = options;
    this.#context = context;
    this.#over = AbortSignal.any([options.signal, this.#decided.signal]);
  }

  async run(): Promise<JoinAnswer> {
    try {
      for (let round = 0; ; round += 1) {
        const step = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(round, 16));
        this.#retryMs = Math.round(step * (0.5 + this.#context.random.float() / 2));
        await this.#round();
        // One seed of several may be wrong: the others have their time before that is the end.
        if (this.#final !== null) await Promise.all(this.#underWay.values());
        this.#options.signal.throwIfAborted();
        this.#context.logger.debug(
          { admitted: this.#answer !== null },
          "a round of join attempts ended",
        );
        if (this.#answer !== null) return this.#answer;
        if (this.#final !== null) throw this.#final;
        await this.#pause();
      }
    } finally {
      this.#decided.abort();
      await Promise.all(this.#underWay.values());
    }
  }

  /** One look at all addresses there are now; ends when all were tried, though some may still be slow. */
  async #round(): Promise<void> {
    const { seeds, hints } = await this.#candidates();
    if (seeds.length + hints.length === 0) this.#options.onNobody?.(this.#retryMs);
    const isIdle = ({ address }: Candidate): boolean =>
      !this.#underWay.has(formatHostPort(address));
    const room = Math.max(0, maxUnderWay - this.#underWay.size);
    // In any order, so that silent ones at the front cannot keep the others from their turn.
    const queue = [
      ...seeds.filter(isIdle),
      ...shuffle(hints.filter(isIdle), this.#context.random).slice(0, room),
    ];
    const work = async (ordinal: number): Promise<void> => {
      if (ordinal > 0) await this.#wait(ordinal * staggerMs);
      while (!this.#over.aborted) {
        const next = queue.shift();
        if (next === undefined) return;
        await this.#begin(next);
      }
    };
    const workers = Math.min(parallel, queue.length);
    await Promise.all(Array.from({ length: workers }, (_, ordinal) => work(ordinal)));
  }

  async #candidates(): Promise<Record<"seeds" | "hints", readonly Candidate[]>> {
    const { seeds, resolver, hints, signal, onAttempt } = this.#options;
    const resolved = await resolveSeeds(seeds, { ...this.#context, resolver }, signal);
    for (const failure of resolved.failures)
      onAttempt?.({ ...failure, isSeed: true, retryMs: this.#retryMs });
    const named = new Set(resolved.addresses.map(formatHostPort));
    const heard = (hints?.addresses() ?? []).filter(
      (address) => !named.has(formatHostPort(address)),
    );
    return {
      seeds: resolved.addresses.map((address) => ({ address, isSeed: true })),
      hints: heard.map((address) => ({ address, isSeed: false })),
    };
  }

  /** Resolves when the attempt has ended, or is slow. */
  async #begin(candidate: Candidate): Promise<void> {
    const seed = formatHostPort(candidate.address);
    const ended = new AbortController();
    const attempt = this.#try(candidate).finally(() => {
      this.#underWay.delete(seed);
      ended.abort();
    });
    this.#underWay.set(seed, attempt);
    await this.#wait(slowMs, ended.signal);
    if (ended.signal.aborted || this.#over.aborted) return;
    if (candidate.isSeed) this.#options.onSlow?.(seed, slowMs);
  }

  /** Never rejects. */
  async #try({ address, isSeed }: Candidate): Promise<void> {
    const progress = { isProven: false };
    try {
      const limit = { clock: this.#context.clock, ms: attemptMs, signal: this.#over };
      this.#answer ??= await withDeadline(limit, (signal) => {
        const attempt = { options: this.#options, context: this.#context, token: this.#token };
        return joinThrough(address, { ...attempt, signal, progress });
      });
      this.#decided.abort();
    } catch (cause) {
      if (this.#over.aborted) return;
      const error = joinFailure(address, cause);
      const isFinal = finalRefusals.includes(error.code) && (isSeed || progress.isProven);
      const retryMs = isFinal ? null : this.#retryMs;
      this.#options.onAttempt?.({ seed: formatHostPort(address), isSeed, error, retryMs });
      if (!isFinal) return;
      this.#final ??= error;
      // Whoever proved the token speaks for the cluster; a wrong seed may stand beside a right one.
      if (progress.isProven) this.#decided.abort();
    }
  }

  /** Waits for the next round; news from discovery begins it at once. */
  async #pause(): Promise<void> {
    const news = new AbortController();
    const unsubscribe = this.#options.hints?.onFound(() => news.abort());
    await this.#wait(this.#retryMs, news.signal);
    unsubscribe?.();
    this.#options.signal.throwIfAborted();
  }

  /** Shorter when it is decided meanwhile, or stopped, or `news` aborts: the caller looks. */
  async #wait(ms: number, news?: AbortSignal): Promise<void> {
    const signal = news === undefined ? this.#over : AbortSignal.any([this.#over, news]);
    await delay(this.#context.clock, ms, signal).catch(() => undefined);
  }
}
