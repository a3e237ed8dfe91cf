/**
 * Watches one run until it has ended, whoever started its shim. The end is exit.json; a shim that is gone
 * without it was killed, or its machine went down. Changes of the directory wake us, and a slow poll covers
 * file systems that tell nothing, and the death of a process, which changes no file.
 */
import { type FSWatcher, watch } from "node:fs";
import { type Clock } from "../base/clock.ts";
import { currentBootId, isAlive, parseIdentity, type ProcessIdentity } from "./process-table.ts";
import { signal } from "./process-stop.ts";
import { type ExitRecord, readExit, readJsonFile } from "./run-files.ts";
import { type RunPaths } from "./run-paths.ts";

export type RunEnding =
  | { readonly kind: "exit"; readonly exit: ExitRecord }
  /** The shim is gone. */
  | { readonly kind: "lost"; readonly reason: string };

const pollMs = 500;

export class RunMonitor {
  readonly paths: RunPaths;
  readonly #clock: Clock;
  readonly #onEnd: (ending: RunEnding) => void;
  readonly #claimed = Promise.withResolvers<void>();
  #shim: ProcessIdentity | null = null;
  #watcher: FSWatcher | null = null;
  #cancelPoll: (() => void) | null = null;
  #ended = false;
  #starting: boolean;
  #cancelAsked = false;
  #cancelTold = false;

  /** `starting`: a shim was launched and may not have claimed the run yet. */
  constructor(
    paths: RunPaths,
    options: { readonly starting: boolean },
    dependencies: { readonly clock: Clock; readonly onEnd: (ending: RunEnding) => void },
  ) {
    this.paths = paths;
    this.#clock = dependencies.clock;
    this.#onEnd = dependencies.onEnd;
    this.#starting = options.starting;
  }

  /** Settles when a shim has claimed the run, or the run has ended. */
  get claimed(): Promise<void> {
    return this.#claimed.promise;
  }

  start(): void {
    try {
      this.#watcher = watch(this.paths.directory, { persistent: false }, () => this.check());
      this.#watcher.on("error", () => {}); // The poll goes on.
    } catch {
      // No watches are left on this machine: the poll is enough.
    }
    this.#poll();
  }

  close(): void {
    this.#ended = true;
    this.#watcher?.close();
    this.#cancelPoll?.();
    this.#claimed.resolve();
  }

  /** The launched shim has ended; if it never claimed the run, nobody will. */
  shimExited(): void {
    this.#starting = false;
    this.check();
  }

  /** Wakes the shim so that it reads cancel.json; if it is not there yet, as soon as it is. */
  wakeForCancel(): void {
    this.#cancelAsked = true;
    this.check();
  }

  check(): void {
    if (this.#ended) return;
    this.#shim ??= parseIdentity(readJsonFile(this.paths.shim));
    if (this.#shim === null) {
      if (!this.#starting)
        this.#end({ kind: "lost", reason: "the process that carries a run ended at once" });
      return;
    }
    this.#claimed.resolve();
    // Life first: a shim that was alive before exit.json was found missing may still write it.
    const alive = mayLive(this.#shim);
    const exit = readExit(this.paths.exit);
    if (exit !== null) this.#end({ kind: "exit", exit });
    else if (!alive) this.#end({ kind: "lost", reason: whyGone(this.#shim) });
    else this.#tellCancel(this.#shim);
  }

  #tellCancel(shim: ProcessIdentity): void {
    if (!this.#cancelAsked || this.#cancelTold) return;
    this.#cancelTold = true;
    signal(shim.pid, "SIGTERM");
  }

  #end(ending: RunEnding): void {
    this.close();
    this.#onEnd(ending);
  }

  #poll(): void {
    this.check();
    if (!this.#ended) this.#cancelPoll = this.#clock.setTimer(pollMs, () => this.#poll());
  }
}

/** True also when /proc cannot be read now (no descriptor left): the next look will tell. */
function mayLive(shim: ProcessIdentity): boolean {
  try {
    return isAlive(shim);
  } catch {
    return true;
  }
}

function whyGone(shim: ProcessIdentity): string {
  return shim.bootId === currentBootId()
    ? "the process that carried the run was killed; how far the action came is unknown"
    : "the machine rebooted while the action ran; how far it came is unknown";
}
