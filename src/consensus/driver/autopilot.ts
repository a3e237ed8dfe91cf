/**
 * Runs the autopilot on whoever leads: every 500 ms it looks at the followers, remembers how long each has been
 * well, and takes one step when there is one to take; half as often while all have been well for long. Elsewhere it
 * sleeps.
 */
import { Background } from "../../base/background.ts";
import { type Clock, untilBeat } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { type Service } from "../../base/service.ts";
import { type NodeId } from "../core/types.ts";
import { type ConsensusStatus, leads } from "./api.ts";
import { type AutopilotLimits, type MemberHealth, planStep } from "./autopilot-plan.ts";
import { type MeasuredConsensusNode } from "./driver.ts";

/** What the rest of the agent knows about members. */
export interface ClusterMembers {
  /** Admitted members, oldest first. */
  admitted(): readonly NodeId[];
  /** Evicted or forgotten: must have no place any more. Not merely unknown. */
  isGone(id: NodeId): boolean;
  /** Gossip regards it as alive. */
  isAlive(id: NodeId): boolean;
}

export interface AutopilotOptions {
  readonly self: NodeId;
  readonly limits: AutopilotLimits;
}

export interface AutopilotDependencies {
  readonly node: Pick<
    MeasuredConsensusNode<unknown>,
    "status" | "tickMs" | "proposeConfig" | "transferLeadership" | "onChange"
  >;
  readonly members: ClusterMembers;
  readonly clock: Clock;
  readonly logger: Logger;
}

const intervalMs = 500;
const calmIntervalMs = 1000;
const transferMs = 5000;
/** A break in answers that a stable follower may have. */
const pauseMs = 1000;

export class Autopilot implements Service {
  readonly name = "autopilot";
  readonly #options: AutopilotOptions;
  readonly #deps: AutopilotDependencies;
  readonly #background: Background;
  /** Since when each follower has been alive and near the end of the log. Empty on followers. */
  readonly #wellSince = new Map<NodeId, number>();
  /** Of the next look; null while it sleeps. */
  #cancel: (() => void) | null = null;
  #unsubscribe: () => void = () => {};

  constructor(options: AutopilotOptions, dependencies: AutopilotDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#background = new Background(dependencies.logger);
  }

  start(): Promise<void> {
    this.#unsubscribe = this.#deps.node.onChange((status) => this.#wakeIfLeading(status));
    this.#wakeIfLeading(this.#deps.node.status());
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#cancel?.();
    await this.#background.close();
  }

  #wakeIfLeading(status: ConsensusStatus): void {
    if (leads(status)) this.#schedule(intervalMs);
  }

  #schedule(periodMs: number): void {
    const { clock } = this.#deps;
    const { ms, earlyMs } = untilBeat(clock, periodMs);
    this.#cancel ??= clock.setTimer(ms, () => this.#turn(), earlyMs);
  }

  #turn(): void {
    this.#cancel = null;
    const status = this.#deps.node.status();
    if (!leads(status)) return this.#wellSince.clear();
    const health = this.#examine(status);
    this.#look(status, health);
    const { stableMs } = this.#options.limits;
    const isCalm = [...health.values()].every((one) => one.stableMs > stableMs);
    this.#schedule(isCalm ? calmIntervalMs : intervalMs);
  }

  #look(status: ConsensusStatus, health: ReadonlyMap<NodeId, MemberHealth>): void {
    const { node, members } = this.#deps;
    if (status.transferee !== null || this.#background.size > 0) return;
    const { effective, committed } = status;
    const { self, limits } = this.#options;
    const step = planStep(
      {
        ...{ self, effective, committed, health, admitted: members.admitted() },
        isGone: (id) => members.isGone(id),
        isAlive: (id) => members.isAlive(id),
      },
      limits,
    );
    if (step?.kind === "transfer") this.#handOver(step.why);
    if (step?.kind !== "change") return;
    const result = node.proposeConfig(step.change);
    const data = { ...step.change, why: step.why };
    if (result.ok) this.#deps.logger.info(data, "changes who takes part in consensus");
    else this.#deps.logger.debug({ ...data, refused: result.detail }, "the change must wait");
  }

  #examine({ peers }: ConsensusStatus): ReadonlyMap<NodeId, MemberHealth> {
    const now = this.#deps.clock.monotonicMs();
    const health = new Map<NodeId, MemberHealth>();
    for (const [id, { ticksSinceAck, caughtUp }] of peers) {
      const silentMs = ticksSinceAck * this.#deps.node.tickMs;
      if (!caughtUp || silentMs > pauseMs) this.#wellSince.delete(id);
      else if (!this.#wellSince.has(id)) this.#wellSince.set(id, now);
      const stableMs = now - (this.#wellSince.get(id) ?? now);
      health.set(id, { silentMs, stableMs, caughtUp });
    }
    for (const id of this.#wellSince.keys()) if (!peers.has(id)) this.#wellSince.delete(id);
    return health;
  }

  #handOver(why: string): void {
    this.#background.run("hand over leadership", async () => {
      const done = await this.#deps.node.transferLeadership(null, transferMs);
      this.#deps.logger.info({ why, done }, "handed over leadership");
    });
  }
}
