/**
 * Carries jobs out while this agent leads: plans from the replica, proposes what is due, and plans
 * again when entries were applied or a deadline came. It keeps nothing but when it may look again,
 * so a new leader goes on where the old one stopped. A refusal only means that the state moved on.
 */
import { isAgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type Service } from "../base/service.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type InventoryView } from "../inventory/view.ts";
import { planAutoCommission } from "./auto-commission.ts";
import { type JobPlan, planJobs } from "./job-planner.ts";
import { type LeftBehind, type PlannerOptions, defaultPlannerOptions } from "./node-step.ts";
import { type LeaderDeps } from "./ports.ts";
import { TurnLoop } from "./turn-loop.ts";

export interface ControllerOptions {
  readonly planner: PlannerOptions;
  /** Commands proposed in one turn at most: what one plan costs is spread over this many. */
  readonly batch: number;
  /**
   * Least time between turns, and the time after which refused or failed commands are planned
   * again.
   */
  readonly gapMs: number;
  readonly retryMs: number;
  readonly barrierTimeoutMs: number;
}

export interface ControllerDeps extends LeaderDeps {
  readonly leftBehind: () => LeftBehind;
}

export const defaultControllerOptions: ControllerOptions = {
  planner: defaultPlannerOptions,
  batch: 64,
  gapMs: 10,
  retryMs: 500,
  barrierTimeoutMs: 5000,
};

export class LifecycleController implements Service {
  readonly name = "lifecycle-controller";
  readonly #options: ControllerOptions;
  readonly #deps: ControllerDeps;
  readonly #loop: TurnLoop;
  readonly #unsubscribe: (() => void)[] = [];
  /** True when this leadership has seen everything that former ones committed. */
  #isCurrent = false;
  #wasLeader = false;

  constructor(options: Partial<ControllerOptions>, deps: ControllerDeps) {
    this.#options = { ...defaultControllerOptions, ...options };
    this.#deps = deps;
    const { gapMs, retryMs } = this.#options;
    this.#loop = new TurnLoop(
      { name: this.name, gapMs, retryMs },
      { clock: deps.clock, logger: deps.logger, turn: (signal) => this.#turn(signal) },
    );
  }

  start(): Promise<void> {
    this.#unsubscribe.push(
      this.#deps.onApplied(() => this.#wakeIfLeader()),
      this.#deps.leadership.onChange(() => this.#onLeadership()),
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
    const isLeader = this.#deps.leadership.isLeader();
    if (isLeader === this.#wasLeader) return;
    this.#wasLeader = isLeader;
    this.#isCurrent = false;
    this.#loop.wake();
  }

  #wakeIfLeader(): void {
    if (this.#deps.leadership.isLeader()) this.#loop.wake();
  }

  async #turn(signal: AbortSignal): Promise<number | null> {
    if (!this.#deps.leadership.isLeader()) return null;
    if (!this.#isCurrent) {
      await this.#deps.readBarrier(this.#options.barrierTimeoutMs);
      this.#isCurrent = this.#deps.leadership.isLeader();
      return 0;
    }
    const { view, clock, leftBehind } = this.#deps;
    const now = clock.wallMs();
    const plan = planLifecycle(view, now, this.#options.planner, leftBehind());
    const batch = plan.commands.slice(0, this.#options.batch);
    const accepted = await this.#proposeAll(batch, signal);
    if (accepted > 0) return 0;
    const untilDue = plan.wakeAt === null ? null : Math.max(0, plan.wakeAt - now);
    if (batch.length === 0) return untilDue;
    return Math.min(this.#options.retryMs, untilDue ?? Infinity);
  }

  /** Number of commands that were accepted. */
  async #proposeAll(commands: readonly Command[], signal: AbortSignal): Promise<number> {
    let accepted = 0;
    for (const command of commands) {
      if (signal.aborted || !this.#isCurrent) break;
      const result = await this.#propose(command);
      if (result === null) break;
      if (result.ok) accepted += 1;
    }
    return accepted;
  }

  /** Null when it is not known what came of the command: the plan must be made anew. */
  async #propose(command: Command): Promise<CommandResult | null> {
    const { logger } = this.#deps;
    try {
      const result = await this.#deps.propose(command);
      if (!result.ok) {
        const { code, message } = result;
        logger.debug({ command: command.type, code, message }, "planned command was refused");
      }
      return result;
    } catch (error) {
      if (!isAgentError(error)) throw error;
      // What may still be committed must be seen before anything is planned on top of it.
      this.#isCurrent = false;
      const data = { command: command.type, code: errorCode(error), error: errorMessage(error) };
      logger.debug(data, "planned command had no answer");
      return null;
    }
  }
}

/** Everything the leader does for nodes on its own account. */
export function planLifecycle(
  view: InventoryView,
  now: number,
  options: PlannerOptions = defaultPlannerOptions,
  leftBehind: LeftBehind = new Map(),
): JobPlan {
  const jobs = planJobs(view, now, options, leftBehind);
  return { commands: [...jobs.commands, ...planAutoCommission(view, now)], wakeAt: jobs.wakeAt };
}
