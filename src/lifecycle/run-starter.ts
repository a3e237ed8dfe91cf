/**
 * Brings one run under way: keeps its vars, gets its bundle, confirms that the inventory still
 * wants it, and only then hands it to the engine. This can take long (a bundle from far away), so
 * it goes on beside the reconciler's turns and is given up as soon as the run is no longer wanted.
 * What cannot be started becomes a failure with the reason; nothing of it has run then.
 */
import { delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Clock } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type RunEngine } from "../config-engine/ports.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type ReadBarrier } from "./ports.ts";
import { type Assignment, buildRunSpec } from "./run-spec.ts";
import { type RunVarsStore } from "./run-vars-store.ts";
import { varsOfRun } from "./run-vars.ts";

export interface BundleRef {
  readonly commit: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Peer that packed it, where the first copy is. */
  readonly from: PeerId;
}

export interface StarterOptions {
  readonly retryMs: number;
  readonly barrierTimeoutMs: number;
  readonly bundlePatienceMs: number;
}

export interface StartDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly view: InventoryView;
  readonly engine: Pick<RunEngine, "ensure">;
  readonly vars: RunVarsStore;
  readonly readBarrier: ReadBarrier;
  /** Resolves when the bundle is in the local store; rejects when it cannot be had now. */
  readonly ensureBundle: (bundle: BundleRef, signal: AbortSignal) => Promise<void>;
  readonly current: () => Assignment | null;
  /** Something came of a start: the reconciler looks again. */
  readonly onSettled: () => void;
}

export class RunStarter {
  readonly #options: StarterOptions;
  readonly #deps: StartDeps;
  #busy: { readonly id: string; readonly abort: AbortController; done: Promise<void> } | null =
    null;
  #failure: { readonly id: string; readonly message: string } | null = null;

  constructor(options: StarterOptions, deps: StartDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  isBusy(id: string): boolean {
    return this.#busy?.id === id;
  }

  /** Why this run cannot be started, once that is certain. */
  failureOf(id: string): string | null {
    return this.#failure?.id === id ? this.#failure.message : null;
  }

  /** Gives up whatever is being started for another run than `id`. */
  keepOnly(id: string | null): void {
    if (this.#busy !== null && this.#busy.id !== id) this.#busy.abort.abort(givenUp());
    if (this.#failure !== null && this.#failure.id !== id) this.#failure = null;
  }

  /** Starts it beside the caller, unless another start is still being given up; `onSettled` tells. */
  begin(assignment: Assignment): void {
    if (this.#busy !== null) return;
    const abort = new AbortController();
    const busy = { id: assignment.run.id, abort, done: Promise.resolve() };
    this.#busy = busy;
    busy.done = this.#start(assignment, abort.signal).finally(() => {
      this.#busy = null;
      this.#deps.onSettled();
    });
  }

  async stop(): Promise<void> {
    this.#busy?.abort.abort(givenUp());
    await this.#busy?.done;
  }

  async #start(assignment: Assignment, signal: AbortSignal): Promise<void> {
    const { id } = assignment.run;
    try {
      const reason = await this.#attempt(assignment, signal);
      if (reason !== null) this.#failure = { id, message: reason };
    } catch (error) {
      if (signal.aborted) return;
      this.#deps.logger.warn({ run: id, error: errorMessage(error) }, "a run could not be started");
      this.#failure = { id, message: `could not be started: ${errorMessage(error)}` };
    }
  }

  /** Null when the run was started or is not wanted any more, else why it cannot be. */
  async #attempt(assignment: Assignment, signal: AbortSignal): Promise<string | null> {
    const { job, node, run } = assignment;
    const { view, vars, engine } = this.#deps;
    const given = (await vars.read(run.id)) ?? varsOfRun(view, job, { node: node.name, run });
    const built = buildRunSpec(view, assignment, given);
    if (!built.ok) return built.message;
    await vars.write(run.id, given);
    const missing = await this.#bundle(run.revision, signal);
    if (missing !== null) return missing;
    await this.#confirmed(signal);
    const current = this.#deps.current();
    if (signal.aborted || current?.run.id !== run.id) return null;
    await engine.ensure(built.spec);
    return null;
  }

  /** Waits for a replica that is certainly current: a node that is cut off starts nothing. */
  async #confirmed(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        await this.#deps.readBarrier(this.#options.barrierTimeoutMs);
        return;
      } catch (error) {
        this.#deps.logger.debug({ error: errorMessage(error) }, "waiting to confirm a run");
        await delay(this.#deps.clock, this.#options.retryMs, signal);
      }
    }
  }

  /** Why the bundle cannot be had, or null when it is here. */
  async #bundle(commit: string, signal: AbortSignal): Promise<string | null> {
    const revision = this.#deps.view.revision(commit);
    if (revision === null) return `revision ${commit} is no longer in the inventory`;
    const { bundle: sha256, bundleBytes: sizeBytes, fetchedBy: from } = revision;
    const { clock } = this.#deps;
    const giveUpAt = clock.monotonicMs() + this.#options.bundlePatienceMs;
    for (;;) {
      try {
        await this.#deps.ensureBundle({ commit, sha256, sizeBytes, from }, signal);
        return null;
      } catch (error) {
        signal.throwIfAborted();
        const message = `the bundle of revision ${commit} could not be had: ${errorMessage(error)}`;
        if (clock.monotonicMs() >= giveUpAt) return message;
        this.#deps.logger.debug({ commit, error: errorMessage(error) }, "bundle is tried again");
        await delay(clock, this.#options.retryMs, signal);
      }
    }
  }
}

function givenUp(): DOMException {
  return new DOMException("The run is no longer wanted", "AbortError");
}
