/**
 * Starts the process that outlives this agent to attest its end. It waits as a shell on a pipe that closes with the
 * agent, however that ends, and costs next to nothing; only then does it become a Node.js process under the same pid.
 * An agent that stops in order says good-bye on the pipe: it has handed over what it held, so nothing is left behind.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { writeFileAtomic } from "../../base/atomic-file.ts";
import { Background } from "../../base/background.ts";
import { type Clock, delay } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { programFile } from "../../base/program-files.ts";
import { type Service } from "../../base/service.ts";
import { identify } from "../../config-engine/process-table.ts";
import { supervisorFile } from "./take-data-dir.ts";

export interface SupervisorOptions {
  readonly dataDir: string;
  /** `host:port` this agent listens on for peers: questions are answered there. */
  readonly listen: () => string;
  readonly clusterId: string;
}

const nodeFlags = ["--max-semi-space-size=1", "--max-old-space-size=64", "--no-warnings"];
const script = 'read -r word; [ "$word" = bye ] && exit 0; exec "$@"';
const restartMs = 1000;
const byeMs = 500;

export class Supervisor implements Service {
  readonly name = "supervisor";
  readonly #options: SupervisorOptions;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #background: Background;
  #child: ChildProcess | null = null;

  constructor(
    options: SupervisorOptions,
    deps: { readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let { exited } = await this.#spawn();
    this.#background.run("supervisor", async (stopped) => {
      for (;;) {
        await Promise.race([exited, aborted(stopped)]);
        stopped.throwIfAborted();
        this.#deps.logger.warn({}, "the supervisor ended; starting another");
        await delay(this.#deps.clock, restartMs, stopped);
        ({ exited } = await this.#spawn());
      }
    });
  }

  async stop(): Promise<void> {
    await this.#background.close();
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("exit", () => resolve());
    const cancel = this.#deps.clock.setTimer(byeMs, resolve);
    child.stdin?.end("bye\n");
    await promise;
    cancel();
  }

  /** Resolves when the process runs and is on record; `exited` settles when it ends. */
  async #spawn(): Promise<{ readonly exited: Promise<void> }> {
    const { dataDir, listen, clusterId } = this.#options;
    const log = openSync(path.join(dataDir, "supervisor.log"), "w", 0o600);
    const command = [
      process.execPath,
      ...nodeFlags,
      programFile("supervisor"),
      dataDir,
      listen(),
      clusterId,
    ];
    try {
      const child = spawn("/bin/sh", ["-c", script, "muster-supervisor", ...command], {
        detached: true,
        stdio: ["pipe", "ignore", log],
        cwd: "/",
      });
      const exited = Promise.withResolvers<void>();
      child.once("exit", () => exited.resolve());
      child.once("error", () => exited.resolve());
      child.stdin?.on("error", () => {}); // it ended first; its end is what counts
      child.unref();
      this.#child = child;
      const identity = child.pid === undefined ? null : identify(child.pid);
      await writeFileAtomic(supervisorFile(dataDir), `${JSON.stringify(identity)}\n`);
      return { exited: exited.promise };
    } finally {
      closeSync(log);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
