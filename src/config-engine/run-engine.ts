/**
 * Actions on this machine, each under a shim that outlives this process. A run id is started at most once for
 * ever: its directory is the proof, made before anything is started and kept until the inventory has the
 * result. At start every directory is looked at, and what still runs is watched again.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { Background } from "../base/background.ts";
import { type Clock } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { newUuid } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type FinishedRun } from "../inventory/records.ts";
import { createFile, replaceFile } from "./durable-file.ts";
import { engineError } from "./errors.ts";
import { type BundleStore, type LocalRunState, type RunEngine, type RunSpec } from "./ports.ts";
import { type StoredSpec, readCancelReason, readExit, readSpec } from "./run-files.ts";
import { type LaunchOptions, launchShim, prepareRun } from "./run-launcher.ts";
import { claimForEngine, settleLostRun } from "./run-lost.ts";
import { type RunEnding, RunMonitor } from "./run-monitor.ts";
import { type RunPaths, encodeRunId, runPaths } from "./run-paths.ts";
import { finishedRun } from "./run-result.ts";

export interface RunEngineOptions {
  readonly dataDir: string;
  /** The Node.js binary and entry file that make a shim. */
  readonly nodeBinary: string;
  readonly shimPath: string;
  /** Between SIGTERM and SIGKILL. Default 10 s. */
  readonly graceMs?: number;
  /** Output kept per run. Default 64 MiB. */
  readonly transcriptBytes?: number;
  /** Ended and reported runs that are kept, with their transcripts. Default 200. */
  readonly keepRuns?: number;
  readonly searchPath?: string;
  readonly home?: string;
}

export interface RunEngineDependencies {
  readonly bundles: Pick<BundleStore, "unpacked">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The engine, and what only its owner may do. */
export interface LocalRunEngine extends RunEngine {
  /** The inventory has the result: it is not announced again, and its directory may be removed in time. */
  acknowledge(id: string): void;
}

interface Entry {
  readonly paths: RunPaths;
  readonly spec: StoredSpec;
  monitor: RunMonitor | null;
  result: FinishedRun | null;
  cancelReason: string | null;
  acknowledged: boolean;
}

export function createRunEngine(
  options: RunEngineOptions,
  dependencies: RunEngineDependencies,
): LocalRunEngine {
  return new ShimRunEngine(options, dependencies);
}

class ShimRunEngine implements LocalRunEngine {
  readonly name = "run-engine";
  readonly #launch: LaunchOptions;
  readonly #keepRuns: number;
  readonly #bundles: Pick<BundleStore, "unpacked">;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #starting = new Map<string, Promise<LocalRunState>>();
  readonly #listeners = new Set<(result: FinishedRun) => void>();
  readonly #background: Background;

  constructor(options: RunEngineOptions, dependencies: RunEngineDependencies) {
    this.#launch = {
      runsDirectory: path.join(options.dataDir, "runs"),
      nodeBinary: options.nodeBinary,
      shimPath: options.shimPath,
      graceMs: options.graceMs ?? 10_000,
      transcriptBytes: options.transcriptBytes ?? 64 * 1024 * 1024,
      searchPath:
        options.searchPath ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      home: options.home ?? "/root",
    };
    this.#keepRuns = options.keepRuns ?? 200;
    this.#bundles = dependencies.bundles;
    this.#clock = dependencies.clock;
    this.#logger = dependencies.logger.child({ module: "run-engine" });
    this.#background = new Background(this.#logger);
  }

  /** Adopts what is on disk. Results nobody acknowledged are announced again before it resolves. */
  async start(): Promise<void> {
    await mkdir(this.#launch.runsDirectory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#launch.runsDirectory)) {
      await this.#adopt(path.join(this.#launch.runsDirectory, name), name);
    }
    for (const entry of this.#entries.values()) {
      if (entry.result !== null && !entry.acknowledged) this.#announce(entry.result);
    }
    this.#removeOld();
  }

  /** Lets go of all runs; they go on. */
  async stop(): Promise<void> {
    for (const entry of this.#entries.values()) entry.monitor?.close();
    await this.#background.close();
    this.#listeners.clear();
  }

  async ensure(spec: RunSpec): Promise<LocalRunState> {
    const known = this.state(spec.id);
    if (known.state !== "unknown") return known;
    let starting = this.#starting.get(spec.id);
    if (starting === undefined) {
      starting = this.#begin(spec).finally(() => this.#starting.delete(spec.id));
      this.#starting.set(spec.id, starting);
    }
    return await starting;
  }

  state(id: string): LocalRunState {
    const entry = this.#entries.get(id);
    if (entry === undefined) return { state: "unknown" };
    if (entry.result !== null) return { state: "ended", result: entry.result };
    return { state: "running", startedAt: entry.spec.createdAt };
  }

  running(): readonly string[] {
    return [...this.#entries].filter(([, entry]) => entry.result === null).map(([id]) => id);
  }

  cancel(id: string, reason: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.result !== null || entry.cancelReason !== null) return;
    entry.cancelReason = reason;
    this.#logger.info({ run: id, reason }, "cancelling a run");
    try {
      replaceFile(entry.paths.cancel, JSON.stringify({ reason }));
    } catch (error) {
      // The signal alone stops the run, and we remember why; only a restart of ours would forget it.
      this.#logger.warn({ run: id, error: errorMessage(error) }, "the cancel could not be stored");
    }
    entry.monitor?.wakeForCancel();
  }

  /** A listener that comes late is told of the ends that are not acknowledged yet. */
  onEnd(listener: (result: FinishedRun) => void): () => void {
    this.#listeners.add(listener);
    const ended = [...this.#entries.values()].filter((entry) => entry.result !== null);
    for (const { result, acknowledged } of ended) {
      if (result === null || acknowledged) continue;
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(result);
      });
    }
    return () => this.#listeners.delete(listener);
  }

  acknowledge(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.result === null || entry.acknowledged) return;
    entry.acknowledged = true;
    try {
      createFile(entry.paths.reported, "");
    } catch (error) {
      // A restart of ours would announce it once more, which is harmless.
      this.#logger.warn({ run: id, error: errorMessage(error) }, "a report could not be noted");
    }
    this.#removeOld();
  }

  async #begin(spec: RunSpec): Promise<LocalRunState> {
    const bundle = await this.#bundles.unpacked(spec.bundle.sha256);
    await prepareRun(spec, { bundle, createdAt: this.#clock.wallMs() }, this.#launch);
    const paths = this.#pathsOf(spec.id);
    const stored = readSpec(paths.spec);
    if (stored === null) {
      throw engineError("RUN_NOT_STARTED", `Reading "${paths.spec}" back failed`, { run: spec.id });
    }
    const monitor = this.#watch(this.#add(paths, stored), true);
    try {
      const shim = await launchShim(paths.directory, this.#launch);
      this.#logger.info({ run: spec.id, shim: shim.pid }, "started a run");
      void shim.exited.then(() => monitor.shimExited());
    } catch (error) {
      await this.#forgetUnstarted(spec.id, monitor);
      throw engineError(
        "RUN_NOT_STARTED",
        `Starting the process for run "${spec.id}" failed: ${errorMessage(error)}`,
        { run: spec.id },
        { cause: error },
      );
    }
    await monitor.claimed;
    return this.state(spec.id);
  }

  async #adopt(directory: string, name: string): Promise<void> {
    if (name.startsWith(".new-")) return await rm(directory, { recursive: true, force: true });
    const paths = runPaths(directory);
    const spec = readSpec(paths.spec);
    if (spec === null || encodeRunId(spec.id) !== name) {
      return this.#logger.warn({ directory }, "not a run directory; left alone");
    }
    const exit = readExit(paths.exit);
    if (exit === null && claimForEngine(paths)) {
      // Nothing was started, and with the claim in our hand nothing ever will be from this directory. It goes at
      // once: a shim that is still coming up must not meet it half removed, without the claim.
      const doomed = path.join(this.#launch.runsDirectory, `.new-${newUuid()}`);
      await rename(directory, doomed);
      return await rm(doomed, { recursive: true, force: true });
    }
    const entry = this.#add(paths, spec);
    entry.cancelReason = readCancelReason(paths.cancel);
    if (exit !== null) {
      entry.result = finishedRun(spec, exit, entry.cancelReason);
      entry.acknowledged = existsSync(paths.reported);
      return;
    }
    this.#logger.info({ run: spec.id }, "adopted a run");
    const monitor = this.#watch(entry, false);
    if (entry.cancelReason !== null) monitor.wakeForCancel();
  }

  #watch(entry: Entry, starting: boolean): RunMonitor {
    const monitor = new RunMonitor(
      entry.paths,
      { starting },
      { clock: this.#clock, onEnd: (ending) => this.#settle(entry, ending) },
    );
    entry.monitor = monitor;
    monitor.start();
    return monitor;
  }

  #settle(entry: Entry, ending: RunEnding): void {
    if (ending.kind === "exit") {
      return this.#finish(entry, finishedRun(entry.spec, ending.exit, entry.cancelReason));
    }
    this.#background.run("settle a lost run", async (signal) => {
      const { graceMs } = this.#launch;
      const context = { graceMs, clock: this.#clock, logger: this.#logger, signal };
      const exit = await settleLostRun(entry, ending.reason, context);
      this.#finish(entry, finishedRun(entry.spec, exit, null));
    });
  }

  #finish(entry: Entry, result: FinishedRun): void {
    entry.monitor = null;
    entry.result = result;
    this.#logger.info({ run: result.id, outcome: result.outcome }, "a run ended");
    this.#announce(result);
  }

  #announce(result: FinishedRun): void {
    for (const listener of this.#listeners) listener(result);
  }

  #add(paths: RunPaths, spec: StoredSpec): Entry {
    const entry: Entry = {
      paths,
      spec,
      monitor: null,
      result: null,
      cancelReason: null,
      acknowledged: false,
    };
    this.#entries.set(spec.id, entry);
    return entry;
  }

  #pathsOf(id: string): RunPaths {
    return runPaths(path.join(this.#launch.runsDirectory, encodeRunId(id)));
  }

  async #forgetUnstarted(id: string, monitor: RunMonitor): Promise<void> {
    monitor.close();
    this.#entries.delete(id);
    await rm(monitor.paths.directory, { recursive: true, force: true });
  }

  /** Removes the oldest runs that the inventory knows the end of. */
  #removeOld(): void {
    const old = [...this.#entries.values()]
      .filter((entry) => entry.acknowledged)
      .sort((a, b) => (b.result?.endedAt ?? 0) - (a.result?.endedAt ?? 0))
      .slice(this.#keepRuns);
    for (const entry of old) {
      rmSync(entry.paths.directory, { recursive: true, force: true });
      this.#entries.delete(entry.spec.id);
    }
  }
}
