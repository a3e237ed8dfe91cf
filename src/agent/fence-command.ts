/**
 * The operator's fence: a command that makes certain a host is off (power switch, hypervisor, cloud API). Only exit
 * code 0 counts; a time-out, a signal or any other code proves nothing. It gets the node in its environment and no
 * shell.
 */
import { spawn } from "node:child_process";
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { type Fencer } from "../consensus/lineage/ports.ts";

export interface FenceOptions {
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

export interface FenceDependencies {
  /** Null when no fence is configured. Read at every use: the operator may change it. */
  readonly options: () => FenceOptions | null;
  readonly describe: (node: string) => { readonly name: string; readonly address: string };
  readonly searchPath: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const keptOutputBytes = 4096;

export function createFencer(deps: FenceDependencies): Fencer {
  return {
    fence: async (node, signal) => {
      const options = deps.options();
      if (options === null || signal.aborted) return false;
      const { name, address } = deps.describe(node);
      deps.logger.warn({ node: name, command: options.command[0] }, "fencing");
      const ended = await run(options, { node, name, address }, { ...deps, signal });
      const level = ended.code === 0 ? "warn" : "error";
      deps.logger[level]({ node: name, ...ended }, ended.code === 0 ? "fenced" : "fencing failed");
      return ended.code === 0;
    },
  };
}

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(
  { command, timeoutMs }: FenceOptions,
  target: { readonly node: string; readonly name: string; readonly address: string },
  { searchPath, clock, signal }: FenceDependencies & { readonly signal: AbortSignal },
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const [file = "", ...args] = command;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    cwd: "/",
    env: {
      PATH: searchPath,
      LANG: "C.UTF-8",
      MUSTER_NODE: target.name,
      MUSTER_NODE_ID: target.node,
      MUSTER_NODE_ADDRESS: target.address,
    },
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-keptOutputBytes);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const end = (): void => killGroup(child.pid);
  const cancel = clock.setTimer(timeoutMs, end);
  signal.addEventListener("abort", end, { once: true });
  child.once("error", (error) => resolve({ code: null, output: error.message }));
  child.once("close", (code) => resolve({ code, output: output.trim() }));
  return promise.finally(() => {
    cancel();
    signal.removeEventListener("abort", end);
  });
}

/** The command and what it started. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself between the look and the kill.
  }
}
