/**
 * How a member that the leader does not stream to keeps its replica: it pulls committed entries from one of its
 * neighbours, which answers as soon as it has some. Members so form trees below the leader's followers: the leader's
 * cost does not grow with the cluster, and an idle member asks once in five seconds.
 *
 * The way by which a neighbour knows the leader comes with every answer. One that leads through this agent itself is
 * not taken, and a neighbour that lost its way is left at once, so members never feed on each other in a ring.
 */
import { Background } from "../../base/background.ts";
import { type Clock, delay, untilBeat } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { Nap } from "../../base/nap.ts";
import { type Random } from "../../base/random.ts";
import { type Service } from "../../base/service.ts";
import { replicationTargets } from "../core/configuration.ts";
import { type Index, type NodeId } from "../core/types.ts";
import { chainBehind } from "../storage/frame.ts";
import { type Pause, RelayChoice } from "./relay-choice.ts";
import { RelayServer } from "./relay-server.ts";
import { type RelayNode, type RelayPeers } from "./relay-types.ts";
import {
  maxHops,
  maxPullBytes,
  maxWaitMs,
  parseAnswer,
  type Path,
  type PullAnswer,
  type Standing,
} from "./relay-wire.ts";

export interface RelayOptions {
  readonly self: NodeId;
  /** Who is to hear from the leader, but does not for so long, begins to ask others. */
  readonly patienceMs: number;
  readonly maxServed: number;
  readonly maxServedAsLeader: number;
}

export const defaultRelayOptions: Omit<RelayOptions, "self"> = {
  patienceMs: 2000, // the longest election timeout
  maxServed: 16,
  maxServedAsLeader: 4,
};

export interface RelayDependencies {
  readonly node: RelayNode;
  readonly peers: RelayPeers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type Told = Extract<PullAnswer, { readonly leaderAgeMs: number }>;

const lookMs = 250;
/** While the leader streams to this agent; that it lost it is heard of at once. */
const fedLookMs = 2000;
/** For how long a neighbour is left out, the first time and at most. */
const useless: Pause = { firstMs: 100, longestMs: 4000 };
const dead: Pause = { firstMs: 1000, longestMs: 16_000 };
const wrong: Pause = { firstMs: 30_000, longestMs: 300_000 };
/** A long poll, and what the way and a slow disk may take. */
const pullMs = maxWaitMs + 3000;
const applyMs = 1000;
/** After an answer without entries: whoever always has other news must not keep this agent busy. */
const emptyMs = 50;
const snapshotLookMs = 1000;
const spareMs = 60_000;
/** So many neighbours that contradict the log here are no accident: this log is the one that is wrong. */
const alarmAt = 3;

export class Relay implements Service {
  readonly name = "relay";
  readonly #options: RelayOptions;
  readonly #deps: RelayDependencies;
  readonly #server: RelayServer;
  readonly #choice: RelayChoice;
  readonly #background: Background;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #fed = new Nap();
  /** The neighbour that was of use last, and how it knows the leader. */
  #parent: NodeId | null = null;
  #path: Path | null = null;
  #leader: NodeId | null = null;
  readonly #contradicting = new Set<NodeId>();
  #sparedMs = -Infinity;

  constructor(options: RelayOptions, dependencies: RelayDependencies) {
    const { node, clock, logger, random } = dependencies;
    this.#options = options;
    this.#deps = dependencies;
    this.#choice = new RelayChoice(random);
    this.#background = new Background(logger);
    this.#server = new RelayServer(options, { node, clock, standing: () => this.#standing() });
  }

  start(): Promise<void> {
    const { node } = this.#deps;
    this.#unsubscribe.push(
      node.onApplied(() => this.#server.wake()),
      node.onChange(() => this.#server.wake()),
      node.onChange(() => this.#fed.wake()),
    );
    this.#background.run("pull entries", (signal) => this.#run(signal));
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    for (const end of this.#unsubscribe) end();
    await this.#background.close();
  }

  /** Answers the pull of another member. @throws AgentError INVALID. */
  serve(from: NodeId, payload: unknown, signal: AbortSignal): Promise<unknown> {
    return this.#server.serve(from, payload, signal);
  }

  /** Whom this agent pulls from; null when it does not, or finds nobody. */
  get parent(): NodeId | null {
    return this.#parent;
  }

  #standing(): Standing {
    const { leader, relayed, quorumLost } = this.#deps.node.status();
    if (leader === null || quorumLost) return { leader: null, path: null };
    if (!relayed) return { leader, path: [] };
    if (this.#parent === null || this.#path === null) return { leader, path: null };
    return { leader, path: [this.#parent, ...this.#path] };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, node } = this.#deps;
    let aloneSince: number | null = null;
    for (;;) {
      const { engine, role, leader, relayed } = node.status();
      const isFed = role === "leader" || (leader !== null && !relayed);
      if (isFed || engine !== "running") {
        aloneSince = null;
        this.#leave();
        await this.#fed.take(clock, untilBeat(clock, fedLookMs), signal);
        continue;
      }
      aloneSince ??= clock.monotonicMs();
      if (!relayed && clock.monotonicMs() - aloneSince < this.#patienceMs()) {
        await delay(clock, lookMs, signal);
        continue;
      }
      await this.#step(signal);
    }
  }

  /** Whom the leader should stream to waits for it; others need not wait long. */
  #patienceMs(): number {
    const { effective } = this.#deps.node.status();
    const { self, patienceMs } = this.#options;
    return replicationTargets(effective).includes(self) ? patienceMs : patienceMs / 2;
  }

  /** One pull, from the neighbour that was of use, or from another. */
  async #step(signal: AbortSignal): Promise<void> {
    const { node, peers, clock, random } = this.#deps;
    const { effective, leader, commit } = node.status();
    // Only what is on disk and applied has a hash chain to compare.
    if (!(await this.#reached(commit))) {
      await delay(clock, lookMs, signal);
      return;
    }
    const now = clock.monotonicMs();
    const neighbours = peers.neighbours().filter((id) => id !== this.#options.self);
    if (this.#parent !== null && !neighbours.includes(this.#parent)) this.#leave();
    const streamedTo = new Set(replicationTargets(effective));
    const peer = this.#parent ?? this.#choice.next({ neighbours, streamedTo, leader }, now);
    if (peer === null) {
      await delay(clock, lookMs * (2 + 2 * random.float()), signal);
      return;
    }
    try {
      await this.#pull(peer, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.logger.debug({ peer, error: errorMessage(error) }, "a neighbour gave no entries");
      this.#avoid(peer, dead);
    }
  }

  async #reached(index: Index): Promise<boolean> {
    try {
      await this.#deps.node.waitApplied(index, applyMs);
      return true;
    } catch {
      return false; // A snapshot is being restored, or the disk is slow.
    }
  }

  async #pull(peer: NodeId, signal: AbortSignal): Promise<void> {
    const { node, peers } = this.#deps;
    const { applied } = node.status();
    const generation = node.generation().id;
    const chain = await node.chainAt(applied);
    if (chain === null) {
      // The log was just replaced by a snapshot, or the generation changes.
      await delay(this.#deps.clock, lookMs, signal);
      return;
    }
    const seen = this.#parent === peer ? { leader: this.#leader, path: this.#path } : unknown;
    const from = applied + 1;
    node.metrics.relayPulls += 1;
    node.expectSnapshot(peer); // it may begin before its answer is here
    const payload = {
      generation,
      from,
      chain,
      maxBytes: maxPullBytes / 2,
      waitMs: maxWaitMs,
      seen,
    };
    const value = await peers.pull(peer, payload, { timeoutMs: pullMs, signal });
    // What was relayed in another generation is of no use in this one.
    if (node.generation().id !== generation) return;
    const answer = parseAnswer(value, from);
    if (answer === null) this.#contradicts(peer, "its answer is malformed");
    else if (answer.kind === "busy") this.#avoid(peer, useless);
    else if (answer.kind === "mismatch") this.#contradicts(peer, "its log differs");
    else if (answer.kind === "foreign") this.#foreign(peer, answer.generation);
    else if (answer.kind === "snapshot") await this.#snapshot(peer, answer, signal);
    else {
      this.#entries(peer, answer, { applied, chain });
      if (answer.entries.length === 0) await delay(this.#deps.clock, emptyMs, signal);
    }
  }

  #foreign(peer: NodeId, generation: string): void {
    this.#avoid(peer, useless);
    if (generation !== this.#deps.node.generation().id) {
      this.#deps.node.sawForeign(peer, generation);
    }
  }

  async #snapshot(
    peer: NodeId,
    answer: Extract<PullAnswer, { kind: "snapshot" }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { node, clock } = this.#deps;
    if (answer.index <= node.status().applied) return this.#avoid(peer, wrong);
    if (this.#follow(peer, answer)) {
      const { applied: prevIndex } = node.status();
      const { leader, leaderAgeMs } = answer;
      node.takeRelayed({ prevIndex, entries: [], leader, leaderAgeMs });
    }
    this.#parent = peer; // stays with it until the snapshot is here, whether it knows the leader or not
    await delay(clock, snapshotLookMs, signal);
  }

  #entries(
    peer: NodeId,
    answer: Extract<PullAnswer, { kind: "entries" }>,
    own: { readonly applied: Index; readonly chain: string },
  ): void {
    const { node } = this.#deps;
    const { entries, leader, leaderAgeMs } = answer;
    if (entries.length > 0 && chainBehind(own.chain, entries) !== answer.chain) {
      return this.#contradicts(peer, "its entries do not have the hash chain that it names");
    }
    const isWay = leadsToLeader(answer, this.#options.self);
    const told = isWay ? leader : null;
    const prevIndex = own.applied;
    if (!node.takeRelayed({ prevIndex, entries, leader: told, leaderAgeMs })) {
      return this.#avoid(peer, useless);
    }
    if (entries.length > 0) {
      node.metrics.relayedIn += entries.length;
      this.#contradicting.clear();
    } else if (!isWay || answer.applied < own.applied) {
      return this.#avoid(peer, useless);
    }
    if (this.#follow(peer, answer) && peer === leader) this.#spare(peer);
  }

  /** Who began with the leader, not knowing that it leads, tries others now and then. */
  #spare(leader: NodeId): void {
    const now = this.#deps.clock.monotonicMs();
    if (now - this.#sparedMs < spareMs) return;
    this.#sparedMs = now;
    this.#avoid(leader, useless);
  }

  /** False when the neighbour knows no leader, or only through this agent. */
  #follow(peer: NodeId, { leader, path }: Told): boolean {
    const isWay = leadsToLeader({ leader, path }, this.#options.self);
    const isNews = this.#parent !== peer || this.#path?.join() !== path?.join();
    this.#parent = isWay ? peer : null;
    this.#path = isWay ? path : null;
    this.#leader = isWay ? leader : null;
    if (isWay) this.#choice.wasOfUse(peer);
    if (isNews) this.#server.wake();
    return isWay;
  }

  #avoid(peer: NodeId, pause: Pause): void {
    this.#choice.avoid(peer, this.#deps.clock.monotonicMs(), pause);
    if (this.#parent === peer) this.#leave();
  }

  #leave(): void {
    if (this.#parent === null) return;
    this.#parent = null;
    this.#path = null;
    this.#leader = null;
    this.#deps.node.expectSnapshot(null);
    this.#server.wake();
  }

  /** Committed logs of one generation cannot differ: one of the two is damaged, or lies. */
  #contradicts(peer: NodeId, why: string): void {
    const { node, logger } = this.#deps;
    node.metrics.relayMismatches += 1;
    this.#avoid(peer, wrong);
    this.#contradicting.add(peer);
    logger.warn({ peer, why }, "a neighbour contradicts this log; asks another");
    if (this.#contradicting.size < alarmAt) return;
    const message =
      "several neighbours contradict the committed log of this agent: it is damaged, or it took entries of one that lies; stop the agent, and let it join again with an empty data directory";
    logger.error({ peers: [...this.#contradicting] }, message);
  }
}

const unknown: Standing = { leader: null, path: null };

function leadsToLeader({ leader, path }: Standing, self: NodeId): boolean {
  return leader !== null && path !== null && path.length < maxHops && !path.includes(self);
}
