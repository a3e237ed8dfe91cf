/**
 * Tells the inventory what gossip sees of the nodes, while this agent leads (the rules are
 * reachability.ts). One entry at a time and not more than one per interval; after each the state is
 * looked at anew.
 */
import { type Service } from "../base/service.ts";
import { type GossipNode, type GossipStats } from "../gossip/ports.ts";
import { type PeerId } from "../base/ids.ts";
import { type Command } from "../inventory/commands.ts";
import { conditionOf } from "../inventory/node-changes.ts";
import { type Doubt } from "./leader-doubt.ts";
import { type LeaderDeps } from "./ports.ts";
import {
  type ReachabilityOptions,
  type ReachabilityPlan,
  ReachabilityPolicy,
} from "./reachability.ts";
import { TurnLoop } from "./turn-loop.ts";

export interface ReporterOptions {
  readonly policy: Partial<ReachabilityOptions>;
  /** Least time between two entries, and between two times that others are asked. */
  readonly intervalMs: number;
  /**
   * The inventory is compared with gossip at least this often, whatever events came or were missed.
   */
  readonly sweepMs: number;
  readonly barrierTimeoutMs: number;
}

export const defaultReporterOptions: ReporterOptions = {
  policy: {},
  intervalMs: 1000,
  sweepMs: 5000,
  barrierTimeoutMs: 5000,
};

export interface ReporterDeps extends LeaderDeps {
  readonly self: PeerId;
  readonly gossip: Pick<GossipNode, "member" | "onEvent" | "neighbours" | "compareViews"> & {
    stats(): Pick<GossipStats, "convergence" | "health">;
  };
}

/** Lost nodes that a line of the log names. */
const namedMax = 8;

type Report = Extract<Command, { readonly type: "node.reachability" }>;

export class ReachabilityReporter implements Service {
  readonly name = "reachability-reporter";
  readonly #options: ReporterOptions;
  readonly #deps: ReporterDeps;
  readonly #policy: ReachabilityPolicy;
  readonly #loop: TurnLoop;
  readonly #unsubscribe: (() => void)[] = [];
  #isCurrent = false;
  #nextEntryAt = 0;
  #nextAskAt = 0;

  constructor(options: Partial<ReporterOptions>, deps: ReporterDeps) {
    this.#options = { ...defaultReporterOptions, ...options };
    this.#deps = deps;
    this.#policy = new ReachabilityPolicy(this.#options.policy);
    this.#loop = new TurnLoop(
      { name: this.name, gapMs: 50, retryMs: 1000 },
      { clock: deps.clock, logger: deps.logger, turn: () => this.#turn() },
    );
  }

  start(): Promise<void> {
    const { clock, gossip, leadership, onApplied } = this.#deps;
    this.#unsubscribe.push(
      gossip.onEvent((event) => {
        this.#policy.note(event, clock.monotonicMs());
        this.#loop.wake();
      }),
      onApplied(() => {
        if (leadership.isLeader()) this.#loop.wake();
      }),
      leadership.onChange(() => this.#onLeadership()),
    );
    this.#onLeadership();
    this.#loop.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await this.#loop.stop();
  }

  #onLeadership(): void {
    const { clock, leadership } = this.#deps;
    const isLeader = leadership.isLeader();
    if (isLeader === this.#policy.isLeading) return;
    this.#isCurrent = false;
    this.#policy.setLeaderSince(isLeader ? clock.monotonicMs() : null);
    this.#loop.wake();
  }

  async #turn(): Promise<number | null> {
    if (!this.#deps.leadership.isLeader()) return null;
    if (!this.#isCurrent) {
      await this.#deps.readBarrier(this.#options.barrierTimeoutMs);
      this.#isCurrent = true;
      return 0;
    }
    const now = this.#deps.clock.monotonicMs();
    const { gossip, view } = this.#deps;
    const { convergence, health } = gossip.stats();
    const plan = this.#policy.plan({
      now,
      nodes: view.nodes(),
      member: (id) => gossip.member(id),
      healthScore: health.score,
      neighbours: gossip.neighbours(),
      viewAgrees: convergence.agrees === true,
      agreedAt: convergence.agreedAt,
      othersUp: health.members - 1,
    });
    if (plan.asksOthers) this.#askOthers(now);
    const untilDue = plan.wakeAt === null ? Infinity : Math.max(0, plan.wakeAt - now);
    const report = this.#reportOf(plan);
    if (report === null) return Math.min(this.#options.sweepMs, untilDue);
    if (now < this.#nextEntryAt) return this.#nextEntryAt - now;
    this.#nextEntryAt = now + this.#options.intervalMs;
    this.#sayLosses(plan);
    const answer = await this.#deps.propose(report);
    if (!answer.ok) {
      const { code, message } = answer;
      this.#deps.logger.warn({ code, message }, "a change of reachability was refused");
    }
    return this.#options.intervalMs;
  }

  #askOthers(now: number): void {
    if (now < this.#nextAskAt) return;
    this.#nextAskAt = now + this.#options.intervalMs;
    this.#deps.gossip.compareViews();
  }

  /** What to write; null when the inventory has it all. */
  #reportOf(plan: ReachabilityPlan): Report | null {
    const cause = this.#newDoubt(plan);
    const { changes } = plan;
    if (cause !== undefined) {
      const doubt = { observer: this.#deps.self, cause };
      return { type: "node.reachability", changes, doubt };
    }
    return changes.length === 0 ? null : { type: "node.reachability", changes };
  }

  /** With what gossip knew and the inventory did not, so that the log of a leader tells how long that took. */
  #sayLosses({ changes }: ReachabilityPlan): void {
    const { clock, gossip, view, logger } = this.#deps;
    const lost = changes.filter(({ reachability }) => reachability === "unreachable");
    const [first] = lost;
    if (first === undefined) return;
    const since = gossip.member(first.id)?.since;
    const data = {
      nodes: lost.slice(0, namedMax).map(({ id }) => view.nodeById(id)?.name ?? id),
      count: lost.length,
      ...(since === undefined ? {} : { heldMs: Math.round(clock.monotonicMs() - since) }),
    };
    logger.info(data, "reports lost nodes to the inventory");
  }

  /** A doubt to raise, null to withdraw the one there is, undefined to leave things as they are. */
  #newDoubt({
    doubt,
    wakeAt,
  }: ReachabilityPlan): Pick<Doubt, "reason" | "message"> | null | undefined {
    const { view, self, logger } = this.#deps;
    const raised = view.nodes().flatMap((node) => {
      const condition = conditionOf(node, "MembershipUncertain");
      return condition === null ? [] : [{ id: node.id, reason: condition.reason }];
    });
    if (doubt !== null) {
      const isRaised = raised.some(({ id, reason }) => id === self && reason === doubt.reason);
      if (isRaised) return undefined;
      const { reason, message } = doubt;
      logger.warn({ reason: message }, "lost nodes are not reported yet");
      return { reason, message };
    }
    // Losses that are still waiting may be doubted yet: a new leader does not withdraw the last one's word at once.
    return raised.length > 0 && wakeAt === null ? null : undefined;
  }
}
