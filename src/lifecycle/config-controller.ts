/**
 * Keeps the configuration revision current while this agent leads: fetches when an operator asked
 * for it, when the source changed, and every watch interval; proposes what came of it. One fetch at
 * a time; one whose source is no longer wanted, or whose agent no longer leads, is given up. A
 * watch that finds nothing new writes nothing.
 */
import { errorCode, errorMessage, isAgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { canonicalJson } from "../base/json.ts";
import { type Service } from "../base/service.ts";
import { type ConfigRepository } from "../config-engine/ports.ts";
import { type Command } from "../inventory/commands.ts";
import { type ConfigRecord } from "../inventory/records.ts";
import { type LeaderDeps } from "./ports.ts";
import { TurnLoop } from "./turn-loop.ts";

type Fetched = Extract<Command, { readonly type: "config.fetched" }>;
type Source = Fetched["source"];

export interface ConfigControllerOptions {
  readonly self: PeerId;
  readonly watchIntervalMs: number;
  readonly fetchTimeoutMs: number;
  /** First wait after a failure; it doubles up to the watch interval. */
  readonly backoffMs: number;
  readonly barrierTimeoutMs: number;
}

export const defaultConfigControllerOptions: Omit<ConfigControllerOptions, "self"> = {
  watchIntervalMs: 60_000,
  fetchTimeoutMs: 300_000,
  backoffMs: 5000,
  barrierTimeoutMs: 5000,
};

export interface ConfigControllerDeps extends LeaderDeps {
  readonly repository: ConfigRepository;
}

export class ConfigController implements Service {
  readonly name = "config-controller";
  readonly #options: ConfigControllerOptions;
  readonly #deps: ConfigControllerDeps;
  readonly #loop: TurnLoop;
  readonly #unsubscribe: (() => void)[] = [];
  #isCurrent = false;
  #wasLeader = false;
  #nextWatchAt = 0;
  #failures = 0;
  #fetching: { readonly source: string; readonly abort: AbortController } | null = null;

  constructor(
    options: Partial<ConfigControllerOptions> & Pick<ConfigControllerOptions, "self">,
    deps: ConfigControllerDeps,
  ) {
    this.#options = { ...defaultConfigControllerOptions, ...options };
    this.#deps = deps;
    this.#loop = new TurnLoop(
      { name: this.name, gapMs: 10, retryMs: 1000 },
      { clock: deps.clock, logger: deps.logger, turn: (signal) => this.#turn(signal) },
    );
  }

  start(): Promise<void> {
    this.#unsubscribe.push(
      this.#deps.onApplied(() => this.#onChange()),
      this.#deps.leadership.onChange(() => this.#onLeadership()),
    );
    this.#onLeadership();
    this.#loop.start();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#fetching?.abort.abort(new DOMException("Stopped", "AbortError"));
    await this.#loop.stop();
  }

  /** A new leader fetches at once: it cannot know what the former one saw last. */
  #onLeadership(): void {
    const isLeader = this.#deps.leadership.isLeader();
    if (isLeader === this.#wasLeader) return;
    this.#wasLeader = isLeader;
    this.#isCurrent = false;
    this.#nextWatchAt = 0;
    this.#onChange();
  }

  /** Gives up a fetch that nobody wants any more. */
  #onChange(): void {
    const fetching = this.#fetching;
    if (fetching !== null) {
      const isWanted = fetching.source === canonicalJson(this.#deps.view.config().source);
      if (isWanted && this.#deps.leadership.isLeader()) return;
      fetching.abort.abort(new DOMException("No longer wanted", "AbortError"));
    }
    if (fetching !== null || this.#deps.leadership.isLeader()) this.#loop.wake();
  }

  async #turn(signal: AbortSignal): Promise<number | null> {
    if (!this.#deps.leadership.isLeader()) return null;
    if (!this.#isCurrent) {
      await this.#deps.readBarrier(this.#options.barrierTimeoutMs);
      this.#isCurrent = this.#deps.leadership.isLeader();
      return 0;
    }
    const config = this.#deps.view.config();
    if (config.source === null) return null;
    const now = this.#deps.clock.monotonicMs();
    const isAsked = config.refreshRequested > config.refreshDone;
    if (!isAsked && now < this.#nextWatchAt) return this.#nextWatchAt - now;
    const result = await this.#fetch(config.source, signal);
    if (result === null) return 0;
    this.#scheduleWatch(result.ok);
    const isTold = isAsked || isNews(config, result);
    if (!isTold || (await this.#report(config, config.source, result))) return 0;
    return this.#options.backoffMs;
  }

  /** Null when the fetch was given up. */
  async #fetch(source: Source, signal: AbortSignal): Promise<Fetched["result"] | null> {
    const abort = new AbortController();
    const onStop = (): void => abort.abort(signal.reason);
    signal.addEventListener("abort", onStop, { once: true });
    let timedOut = false;
    const cancelTimer = this.#deps.clock.setTimer(this.#options.fetchTimeoutMs, () => {
      timedOut = true;
      abort.abort(new DOMException("Timed out", "TimeoutError"));
    });
    this.#fetching = { source: canonicalJson(source), abort };
    try {
      const { commit, bundle, bundleBytes, manifest } = await this.#deps.repository.fetch(
        source,
        abort.signal,
      );
      if (abort.signal.aborted && !timedOut) return null;
      return { ok: true, commit, bundle, bundleBytes, manifest, by: this.#options.self };
    } catch (error) {
      if (abort.signal.aborted && !timedOut) return null;
      return timedOut ? this.#timeout(source) : failure(error);
    } finally {
      this.#fetching = null;
      cancelTimer();
      signal.removeEventListener("abort", onStop);
    }
  }

  #timeout(source: Source): Fetched["result"] {
    const seconds = Math.round(this.#options.fetchTimeoutMs / 1000);
    const message = `Fetching "${source.url}" took longer than ${seconds} s`;
    return { ok: false, code: "FETCH_TIMEOUT", message };
  }

  #scheduleWatch(ok: boolean): void {
    this.#failures = ok ? 0 : this.#failures + 1;
    const { watchIntervalMs, backoffMs } = this.#options;
    const waitMs = ok ? watchIntervalMs : backoffMs * 2 ** Math.min(this.#failures - 1, 20);
    this.#nextWatchAt = this.#deps.clock.monotonicMs() + Math.min(watchIntervalMs, waitMs);
  }

  /** False when the inventory took neither the result nor the reason why not. */
  async #report(config: ConfigRecord, source: Source, result: Fetched["result"]): Promise<boolean> {
    const request = config.refreshRequested;
    const command: Fetched = { type: "config.fetched", request, source, result };
    try {
      const answer = await this.#deps.propose(command);
      if (answer.ok) return true;
      const { code, message } = answer;
      this.#deps.logger.warn({ code, message }, "fetched configuration was refused");
      if (!result.ok || code === "CONFLICT") return false;
      const refusal = { ok: false, code, message } as const;
      return (await this.#deps.propose({ ...command, result: refusal })).ok;
    } catch (error) {
      this.#isCurrent = false;
      if (!isAgentError(error, "TOO_LARGE")) throw error;
      const message = `The manifest is too large for the inventory: ${error.message}`;
      const refusal = { ok: false, code: "MANIFEST_TOO_LARGE", message } as const;
      return (await this.#deps.propose({ ...command, result: refusal })).ok;
    }
  }
}

/** A watch reports what changed: another revision, another error, or that an error is over. */
function isNews(config: ConfigRecord, result: Fetched["result"]): boolean {
  const { lastError } = config;
  if (result.ok) return result.commit !== config.current || lastError !== null;
  return lastError?.code !== result.code || lastError.message !== result.message;
}

function failure(error: unknown): Fetched["result"] {
  const code = isAgentError(error) ? error.code : (errorCode(error) ?? "FETCH_FAILED");
  return { ok: false, code, message: describe(error) };
}

/** With file and line, where the error names them and its text does not. */
function describe(error: unknown): string {
  const message = errorMessage(error);
  if (!isAgentError(error)) return message;
  const { file, line } = error.details;
  if (typeof file !== "string" || message.includes(file)) return message;
  const where = typeof line === "number" ? `${file}:${line}` : file;
  return `${where}: ${message}`;
}
