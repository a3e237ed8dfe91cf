/**
 * Answers the pulls of other members: at once when there is news (entries, another leader, another way to it), else
 * when the one who asks has waited long enough. Only what was applied here is given away, so it is committed and on
 * this disk. What is served at a time is bounded, and for the leader, which has followers of its own, more tightly.
 */
import { AgentError } from "../../base/errors.ts";
import { type Clock } from "../../base/clock.ts";
import { type NodeId } from "../core/types.ts";
import {
  encodeAnswer,
  parseRequest,
  type PullAnswer,
  type PullRequest,
  sameStanding,
  type Standing,
} from "./relay-wire.ts";
import { type RelayNode } from "./relay-types.ts";

export interface RelayServerOptions {
  /** Pulls that are served at once, also those that wait for news. */
  readonly maxServed: number;
  readonly maxServedAsLeader: number;
}

export interface RelayServerDependencies {
  readonly node: RelayNode;
  readonly clock: Clock;
  /** Who leads and how this member knows. */
  readonly standing: () => Standing;
}

/** One pull under way; `look` ends its waiting when there is news, `end` ends it anyway. */
interface Serving {
  look: () => void;
  end: () => void;
}

const noChain = "0".repeat(32);

export class RelayServer {
  readonly #options: RelayServerOptions;
  readonly #deps: RelayServerDependencies;
  readonly #serving = new Map<NodeId, Serving>();

  constructor(options: RelayServerOptions, dependencies: RelayServerDependencies) {
    this.#options = options;
    this.#deps = dependencies;
  }

  /** Members that are served now. */
  get served(): number {
    return this.#serving.size;
  }

  /** Something changed: whoever waits looks again. */
  wake(): void {
    for (const { look } of [...this.#serving.values()]) look();
  }

  /** @throws AgentError INVALID. */
  async serve(from: NodeId, payload: unknown, signal: AbortSignal): Promise<unknown> {
    const request = parseRequest(payload);
    if (request === null) throw new AgentError("INVALID", "This is no request for entries");
    return encodeAnswer(await this.#answer(from, request, signal));
  }

  async #answer(from: NodeId, request: PullRequest, signal: AbortSignal): Promise<PullAnswer> {
    const { node } = this.#deps;
    const { id } = node.generation();
    if (request.generation !== id) {
      node.sawForeign(from, request.generation);
      return { kind: "foreign", generation: id };
    }
    const { engine, role } = node.status();
    const { maxServed, maxServedAsLeader } = this.#options;
    const limit = role === "leader" ? maxServedAsLeader : maxServed;
    this.#serving.get(from)?.end(); // its caller gave it up, or asks too much
    const isFull = this.#serving.size >= limit || this.#serving.has(from);
    if (engine !== "running" || isFull) return { kind: "busy" };
    node.metrics.relayServed += 1;
    const serving: Serving = { look: () => {}, end: () => {} };
    this.#serving.set(from, serving);
    try {
      const early = await this.#compare(from, request);
      if (early !== null) return early;
      await this.#news(serving, request, signal);
      const answer = await this.#entries(from, request);
      // What was read after a change of generation is not of the history that was asked about.
      const now = node.generation().id;
      return now === id ? answer : { kind: "foreign", generation: now };
    } finally {
      this.#serving.delete(from);
    }
  }

  /** Null when the log there is the beginning of this one, or longer than this one. */
  async #compare(from: NodeId, request: PullRequest): Promise<PullAnswer | null> {
    const { node } = this.#deps;
    const behind = request.from - 1;
    if (behind > node.status().applied) return null;
    const chain = await node.chainAt(behind);
    if (chain === null) return this.#snapshot(from);
    return chain === request.chain ? null : { kind: "mismatch", chain };
  }

  #snapshot(to: NodeId): PullAnswer {
    const meta = this.#deps.node.offerSnapshot(to);
    return meta === null
      ? { kind: "busy" }
      : { kind: "snapshot", index: meta.index, ...this.#told() };
  }

  async #entries(to: NodeId, { from, maxBytes }: PullRequest): Promise<PullAnswer> {
    const { node } = this.#deps;
    const entries = await node.giveApplied(from, maxBytes);
    const last = entries?.at(-1);
    if (entries === null) return this.#snapshot(to);
    const { applied } = node.status();
    const chain = last === undefined ? noChain : await node.chainAt(last.index);
    if (chain === null) return this.#snapshot(to);
    node.metrics.relayedOut += entries.length;
    return { kind: "entries", entries, chain, applied, ...this.#told() };
  }

  #told(): Standing & { readonly leaderAgeMs: number } {
    const ageMs = this.#deps.node.status().leaderContactMs ?? 0;
    return { ...this.#deps.standing(), leaderAgeMs: Math.max(0, Math.round(ageMs)) };
  }

  /** Resolves when there is something to tell, or it is time to tell that there is nothing. */
  async #news(serving: Serving, request: PullRequest, signal: AbortSignal): Promise<void> {
    const { node, clock, standing } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    serving.look = () => {
      const isNews = node.status().applied >= request.from;
      const now = standing();
      // Who knows no leader is of no use to wait at.
      if (isNews || now.path === null || !sameStanding(now, request.seen)) resolve();
    };
    const disarm = clock.setTimer(request.waitMs, resolve);
    const end = (): void => resolve();
    signal.addEventListener("abort", end, { once: true });
    serving.end = end;
    serving.look();
    try {
      await promise;
    } finally {
      disarm();
      signal.removeEventListener("abort", end);
    }
  }
}
