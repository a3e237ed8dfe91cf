/** A run engine on a folder of its own, with real shims; `close` ends every process that was started in it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execPath } from "node:process";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { type RunSpec } from "../../src/config-engine/ports.ts";
import { signal } from "../../src/config-engine/process-stop.ts";
import { commandLine, hasEnvironmentText, listProcesses } from "./processes.ts";
import { type LocalRunEngine, createRunEngine } from "../../src/config-engine/run-engine.ts";
import { type FinishedRun } from "../../src/inventory/records.ts";

export const actionsFolder = path.join(import.meta.dirname, "../fixtures/actions");
export const shimPath = path.join(import.meta.dirname, "../../src/config-engine/shim/main.ts");

export class EngineLab {
  readonly dataDir: string;
  engine: LocalRunEngine;
  readonly ended: FinishedRun[] = [];
  readonly #options: { readonly transcriptBytes?: number; readonly keepRuns?: number };

  constructor(options: { transcriptBytes?: number; keepRuns?: number; dataDir?: string } = {}) {
    const { dataDir, ...rest } = options;
    this.#options = rest;
    this.dataDir = dataDir ?? mkdtempSync(path.join(tmpdir(), "muster-runs-"));
    this.engine = this.#create();
  }

  async start(): Promise<void> {
    await this.engine.start(new AbortController().signal);
  }

  /** Another engine on the same folder, as after a restart of the agent. */
  async restart(): Promise<void> {
    await this.engine.stop();
    this.engine = this.#create();
    await this.start();
  }

  runFolder(id: string): string {
    return path.join(this.dataDir, "runs", id.replaceAll("/", "+"));
  }

  /** Starts a run and waits for its end. */
  async run(spec: RunSpec): Promise<FinishedRun> {
    await this.engine.ensure(spec);
    return await this.end(spec.id);
  }

  async end(id: string): Promise<FinishedRun> {
    return await until(`the end of run ${id}`, () => this.ended.find((result) => result.id === id));
  }

  /** Processes that were started for runs of this lab: shims and actions. */
  processes(): { pid: number; command: string }[] {
    return listProcesses()
      .filter(
        (entry) =>
          hasEnvironmentText(entry.pid, this.dataDir) ||
          commandLine(entry.pid).includes(this.dataDir),
      )
      .map((entry) => ({ pid: entry.pid, command: commandLine(entry.pid) }));
  }

  async close(): Promise<void> {
    await this.engine.stop();
    for (let left = this.processes(); left.length > 0; left = this.processes()) {
      for (const { pid } of left) signal(pid, "SIGKILL");
      await pause(10);
    }
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #create(): LocalRunEngine {
    const engine = createRunEngine(
      { dataDir: this.dataDir, nodeBinary: execPath, shimPath, graceMs: 300, ...this.#options },
      {
        bundles: { unpacked: () => Promise.resolve(actionsFolder) },
        clock: systemClock,
        logger: silentLogger,
      },
    );
    engine.onEnd((result) => this.ended.push(result));
    return engine;
  }
}

let runs = 0;

/** A spec for one of the programs in test/fixtures/actions. */
export function runSpec(program: string, changes: Partial<RunSpec> = {}): RunSpec {
  runs += 1;
  return {
    id: `job${runs}/n1/base/configure/1`,
    job: `job${runs}`,
    node: "n1",
    role: "base",
    action: "configure",
    attempt: 1,
    revision: "0123456789abcdef",
    bundle: { sha256: "0".repeat(64), sizeBytes: 1 },
    path: program,
    timeoutMs: 30_000,
    vars: {},
    inventory: {},
    secretValues: [],
    ...changes,
  };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits for an observed fact, and fails naming it. */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false,
  limitMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`Gave up waiting for ${what}`);
    await pause(10);
  }
}
