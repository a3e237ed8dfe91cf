/**
 * Tells the inventory what gossip sees of the nodes, while this agent leads (the rules are
 * reachability.ts). One entry at a time and not more than one per interval; after each the state is
 * looked at anew.
 */
import { type Service } from "../base/service.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type LeaderDeps } from "./ports.ts";
import { type ReachabilityOptions, ReachabilityPolicy } from "./reachability.ts";
import { TurnLoop } from "./turn-loop.ts";

export interface ReporterOptions {
  readonly policy: Partial<ReachabilityOptions>;
  /** Least time between two entries. */
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
  readonly gossip: Pick<GossipNode, "member" | "onEvent" | "health">;
}

export class ReachabilityReporter implements Service {
  readonly name = "reachability-reporter";
  readonly #options: ReporterOptions;
  readonly #deps: ReporterDeps;
  readonly #policy: ReachabilityPolicy;
  readonly #loop: TurnLoop;
  readonly #unsubscribe: (() => void)[] = [];
  #isCurrent = false;
  #uncertain: string | null = null;
  #nextEntryAt = 0;

  constructor(options: Partial<ReporterOptions>, deps: ReporterDeps) {
    this.#options = { ...defaultReporterOptions, ...options };
    this.#deps = deps;
    this.#policy = new ReachabilityPolicy(this.#options.policy);
    this.#loop = new TurnLoop(
      { name: this.name, gapMs: 50, retryMs: 1000 },
      { clock: deps.clock, logger: deps.logger, turn: () => this.#turn() },
    );
  }

  /** Why losses are held back at the moment, for `muster status`; null when they are not. */
  get uncertain(): string | null {
    return this.#uncertain;
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
    const plan = this.#policy.plan({
      now,
      nodes: view.nodes(),
      member: (id) => gossip.member(id),
      healthScore: gossip.health().score,
    });
    this.#noteDoubt(plan.uncertain);
    const untilDue = plan.wakeAt === null ? Infinity : Math.max(0, plan.wakeAt - now);
    if (plan.changes.length === 0) return Math.min(this.#options.sweepMs, untilDue);
    if (now < this.#nextEntryAt) return this.#nextEntryAt - now;
    this.#nextEntryAt = now + this.#options.intervalMs;
    const answer = await this.#deps.propose({ type: "node.reachability", changes: plan.changes });
    if (!answer.ok) {
      const { code, message } = answer;
      this.#deps.logger.warn({ code, message }, "a change of reachability was refused");
    }
    return this.#options.intervalMs;
  }

  #noteDoubt(uncertain: string | null): void {
    if (uncertain !== null && this.#uncertain === null) {
      this.#deps.logger.warn({ reason: uncertain }, "lost nodes are not reported yet");
    }
    this.#uncertain = uncertain;
  }
}
