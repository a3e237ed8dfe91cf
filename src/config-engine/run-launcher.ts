/**
 * Puts a run on disk and starts its shim. The directory appears whole, by rename, before anything is started.
 * A second start of the same directory is harmless: shims race for the claim in it, and one wins.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { syncFolder } from "../base/atomic-file.ts";
import { errorMessage } from "../base/errors.ts";
import { newUuid } from "../base/ids.ts";
import { canonicalJson } from "../base/json.ts";
import { engineError } from "./errors.ts";
import { type RunSpec } from "./ports.ts";
import { type StoredSpec } from "./run-files.ts";
import { encodeRunId, runPaths } from "./run-paths.ts";

export interface LaunchOptions {
  /** Folder that holds the run directories. */
  readonly runsDirectory: string;
  readonly nodeBinary: string;
  /** Entry file of the shim. */
  readonly shimPath: string;
  readonly graceMs: number;
  readonly transcriptBytes: number;
  /** Search path and home of the commands; nothing else of the agent's environment reaches them. */
  readonly searchPath: string;
  readonly home: string;
}

/** Enough for the shim, and small beside what commands need. */
const shimFlags = ["--max-semi-space-size=1", "--max-old-space-size=64", "--no-warnings"];
const secretBytesLimit = 256 * 1024;

/** Creates the run directory, durably. `bundle` is the unpacked tree. */
export async function prepareRun(
  spec: RunSpec,
  context: { readonly bundle: string; readonly createdAt: number },
  options: LaunchOptions,
): Promise<void> {
  const name = encodeRunId(spec.id);
  const final = path.join(options.runsDirectory, name);
  const temporary = path.join(options.runsDirectory, `.new-${newUuid()}`);
  const stored = storedSpec(spec, { ...context, directory: final }, options);
  checkSecrets(spec);
  try {
    const paths = runPaths(temporary);
    await mkdir(paths.transcript, { recursive: true, mode: 0o700 });
    await writeSynced(paths.vars, canonicalJson(spec.vars));
    await writeSynced(paths.inventory, canonicalJson(spec.inventory));
    await writeSynced(paths.secrets, JSON.stringify(spec.secretValues));
    await writeSynced(paths.spec, JSON.stringify(stored));
    await syncFolder(temporary);
    await rename(temporary, final);
    await syncFolder(options.runsDirectory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw engineError(
      "RUN_NOT_STARTED",
      `Preparing run "${spec.id}" failed: ${errorMessage(error)}`,
      { run: spec.id },
      { cause: error },
    );
  }
}

export interface LaunchedShim {
  readonly pid: number;
  /** Settles when the shim process has ended, however. */
  readonly exited: Promise<void>;
}

/** Starts a shim for a prepared run. It is in a session of its own and does not keep us alive. */
export async function launchShim(directory: string, options: LaunchOptions): Promise<LaunchedShim> {
  const log = openSync(runPaths(directory).log, "a", 0o600);
  const started = Promise.withResolvers<number>();
  const exited = Promise.withResolvers<void>();
  try {
    const child = spawn(options.nodeBinary, [...shimFlags, options.shimPath, directory], {
      detached: true,
      stdio: ["ignore", "ignore", log],
      cwd: "/",
      env: { PATH: options.searchPath, HOME: options.home, LANG: "C.UTF-8" },
    });
    child.once("spawn", () => started.resolve(child.pid ?? 0));
    child.once("error", (error) => started.reject(error));
    child.once("exit", () => exited.resolve());
    child.unref();
    return { pid: await started.promise, exited: exited.promise };
  } finally {
    closeSync(log);
  }
}

function storedSpec(
  spec: RunSpec,
  context: { readonly bundle: string; readonly createdAt: number; readonly directory: string },
  options: LaunchOptions,
): StoredSpec {
  const paths = runPaths(context.directory);
  return {
    id: spec.id,
    job: spec.job,
    node: spec.node,
    role: spec.role,
    action: spec.action,
    attempt: spec.attempt,
    revision: spec.revision,
    executable: path.join(context.bundle, spec.path),
    workingDirectory: context.bundle,
    environment: {
      PATH: options.searchPath,
      HOME: options.home,
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
      MUSTER_NODE: spec.node,
      MUSTER_ROLE: spec.role,
      MUSTER_ACTION: spec.action,
      MUSTER_JOB: spec.job,
      MUSTER_REVISION: spec.revision,
      MUSTER_VARS: paths.vars,
      MUSTER_INVENTORY: paths.inventory,
      MUSTER_BUNDLE: context.bundle,
    },
    timeoutMs: spec.timeoutMs,
    graceMs: options.graceMs,
    transcriptBytes: options.transcriptBytes,
    createdAt: context.createdAt,
  };
}

function checkSecrets(spec: RunSpec): void {
  const bytes = spec.secretValues.reduce((sum, value) => sum + Buffer.byteLength(value), 0);
  if (bytes <= secretBytesLimit) return;
  throw engineError(
    "RUN_NOT_STARTED",
    `Run "${spec.id}" has ${bytes} bytes of secret values, more than the ${secretBytesLimit} that can be masked; ` +
      `keep large secrets in files outside the vars`,
    { run: spec.id },
  );
}

async function writeSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
