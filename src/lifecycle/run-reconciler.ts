/**
 * Makes this machine run what the inventory says its node runs, and nothing else; on every agent. A
 * run begins only after a read barrier confirmed that it is still wanted, is named to the engine by
 * an id that it starts at most once, and its end is reported until the inventory has it: through
 * restarts of this agent and changes of leader. Runs that are no longer wanted are cancelled, but
 * never on the word of a replica that is behind.
 */
import { errorCode, errorMessage, isAgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type JsonObject } from "../base/json.ts";
import { type Service } from "../base/service.ts";
import { type RunEngine } from "../config-engine/ports.ts";
import { type FinishedRun } from "../inventory/records.ts";
import { isCancellable } from "./node-step.ts";
import { type DriverDeps, type ReadBarrier } from "./ports.ts";
import { type StartDeps, RunStarter } from "./run-starter.ts";
import { type Assignment, assignmentOf } from "./run-spec.ts";
import { type RunVarsStore } from "./run-vars-store.ts";
import { varsOfRun } from "./run-vars.ts";
import { TurnLoop } from "./turn-loop.ts";
import { varsDigest } from "./vars-digest.ts";

export interface ReconcilerOptions {
  readonly self: PeerId;
  readonly retryMs: number;
  readonly barrierTimeoutMs: number;
  /** How long a bundle that cannot be had is tried for, before the run fails for it. */
  readonly bundlePatienceMs: number;
}

export const defaultReconcilerOptions: Omit<ReconcilerOptions, "self"> = {
  retryMs: 1000,
  barrierTimeoutMs: 5000,
  bundlePatienceMs: 60_000,
};

/** The engine; `acknowledge` tells it that the inventory has a result. */
export type ReconciledEngine = RunEngine & { acknowledge(id: string): void };

export interface ReconcilerDeps extends DriverDeps {
  readonly readBarrier: ReadBarrier;
  readonly engine: ReconciledEngine;
  readonly ensureBundle: StartDeps["ensureBundle"];
  readonly vars: RunVarsStore;
}

export class RunReconciler implements Service {
  readonly name = "run-reconciler";
  readonly #options: ReconcilerOptions;
  readonly #deps: ReconcilerDeps;
  readonly #loop: TurnLoop;
  readonly #starter: RunStarter;
  readonly #unsubscribe: (() => void)[] = [];
  /** Ended runs whose end the inventory may not have yet. */
  readonly #ended = new Set<string>();
  /** The run whose end was accepted last: this replica may not show it yet. */
  #reported: string | null = null;

  constructor(
    options: Partial<ReconcilerOptions> & Pick<ReconcilerOptions, "self">,
    deps: ReconcilerDeps,
  ) {
    this.#options = { ...defaultReconcilerOptions, ...options };
    this.#deps = deps;
    const { retryMs } = this.#options;
    this.#loop = new TurnLoop(
      { name: this.name, gapMs: 0, retryMs },
      { clock: deps.clock, logger: deps.logger, turn: () => this.#turn() },
    );
    this.#starter = new RunStarter(this.#options, {
      ...deps,
      current: () => this.#current(),
      onSettled: () => this.#loop.wake(),
    });
    // The engine announces unreported ends while it starts, which may be before this service does.
    const off = deps.engine.onEnd((result) => {
      this.#ended.add(result.id);
      this.#loop.wake();
    });
    this.#unsubscribe.push(off);
  }

  start(): Promise<void> {
    this.#unsubscribe.push(this.#deps.onApplied(() => this.#loop.wake()));
    this.#loop.start();
    return Promise.resolve();
  }

  /** Local runs go on without this service. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await this.#loop.stop();
    await this.#starter.stop();
  }

  #current(): Assignment | null {
    const { view } = this.#deps;
    return assignmentOf(view, view.nodeById(this.#options.self));
  }

  async #turn(): Promise<number | null> {
    const stray = this.#strays();
    if (stray && !(await this.#confirmReplica())) return this.#options.retryMs;
    const current = this.#current();
    if (stray) await this.#dropStrays(current?.run.id ?? null);
    this.#starter.keepOnly(isWanted(current) ? (current?.run.id ?? null) : null);
    if (current === null || current.run.id === this.#reported) return null;
    return await this.#pursue(current);
  }

  async #pursue(current: Assignment): Promise<number | null> {
    const { id } = current.run;
    const local = this.#deps.engine.state(id);
    switch (local.state) {
      case "ended":
        return await this.#report(current, local.result);
      case "running":
        if (!isWanted(current)) this.#deps.engine.cancel(id, `job ${current.job.id} was cancelled`);
        return null;
      case "unknown":
        if (this.#starter.isBusy(id)) return null;
        // Two actions must never work on one machine at once: the end of the other one wakes us.
        if (this.#deps.engine.running().length > 0) return null;
        if (!isWanted(current)) {
          return await this.#report(current, this.#neverRan(current, cancelledEarly));
        }
        return await this.#begin(current);
    }
  }

  async #begin(current: Assignment): Promise<number | null> {
    const failure = this.#starter.failureOf(current.run.id);
    if (failure !== null) {
      return await this.#report(
        current,
        this.#neverRan(current, { outcome: "failed", message: failure }),
      );
    }
    this.#starter.begin(current);
    return null;
  }

  /** True when a local run is not the one that this replica shows. */
  #strays(): boolean {
    const current = this.#current()?.run.id ?? null;
    const ids = [...this.#deps.engine.running(), ...this.#ended];
    return ids.some((id) => id !== current);
  }

  async #confirmReplica(): Promise<boolean> {
    try {
      await this.#deps.readBarrier(this.#options.barrierTimeoutMs);
      return true;
    } catch (error) {
      this.#deps.logger.debug({ error: errorMessage(error) }, "replica could not be confirmed");
      return false;
    }
  }

  async #dropStrays(current: string | null): Promise<void> {
    for (const id of this.#deps.engine.running()) {
      if (id !== current) this.#deps.engine.cancel(id, "the inventory no longer has this run");
    }
    for (const id of [...this.#ended]) if (id !== current) await this.#settle(id);
  }

  async #report(current: Assignment, result: FinishedRun): Promise<number | null> {
    const { job, node, run } = current;
    const given = await this.#varsGiven(current);
    const answer = await this.#propose({ job: job.id, node: node.name, result, vars: given });
    if (answer === "retry") return this.#options.retryMs;
    this.#reported = run.id;
    await this.#settle(run.id);
    return null;
  }

  async #propose(
    finish: { readonly job: string; readonly node: string; readonly result: FinishedRun } & {
      readonly vars: JsonObject;
    },
  ): Promise<"done" | "retry"> {
    const { logger } = this.#deps;
    const run = finish.result.id;
    try {
      const answer = await this.#deps.propose({
        type: "run.finish",
        ...finish,
        varsDigest: varsDigest(finish.vars),
        transcripts: [this.#options.self],
      });
      if (answer.ok) return "done";
      const { code, message } = answer;
      logger.info({ run, code, message }, "the end of a run was refused");
      // Refused for who asks, not for what is asked: the result must not be thrown away.
      if (code === "CONFLICT" || code === "MEMBER_EVICTED") return "retry";
      // Whatever is wrong with the vars must not keep the node busy for ever.
      const isEmpty = Object.keys(finish.vars).length === 0;
      return code !== "INVALID" || isEmpty ? "done" : await this.#propose({ ...finish, vars: {} });
    } catch (error) {
      if (!isAgentError(error)) throw error;
      const data = { run, code: errorCode(error), error: errorMessage(error) };
      logger.debug(data, "the end of a run is not reported yet");
      return "retry";
    }
  }

  async #varsGiven({ job, node, run }: Assignment): Promise<JsonObject> {
    const kept = await this.#deps.vars.read(run.id);
    return kept ?? varsOfRun(this.#deps.view, job, { node: node.name, run });
  }

  /** The inventory has the end of this run, or does not want it. */
  async #settle(id: string): Promise<void> {
    this.#ended.delete(id);
    this.#deps.engine.acknowledge(id);
    await this.#deps.vars.remove(id);
  }

  #neverRan(
    { run }: Assignment,
    end: { readonly outcome: "failed" | "cancelled"; readonly message: string },
  ): FinishedRun {
    const { begunAt: _begun, timeoutMs: _timeout, ...ref } = run;
    const at = this.#deps.clock.wallMs();
    return { ...ref, ...end, exitCode: null, signal: null, startedAt: at, endedAt: at };
  }
}

const cancelledEarly = { outcome: "cancelled", message: "cancelled before it started" } as const;

function isWanted(current: Assignment | null): boolean {
  return (
    current !== null && !(current.job.cancelRequested && isCancellable(current.job, current.run))
  );
}
