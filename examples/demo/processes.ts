/** Starting, asking and ending the demo's processes. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import http from "node:http";
import { createServer } from "node:net";
import path from "node:path";
import process from "node:process";

const root = path.join(import.meta.dirname, "../..");
export const muster = path.join(root, "bin/muster");

export class DemoAgent {
  readonly name: string;
  readonly dataDir: string;
  readonly port: number;
  readonly webPort: number;
  readonly logFile: string;
  child: ChildProcess | null = null;

  constructor(
    folder: string,
    name: string,
    ports: { readonly port: number; readonly web: number },
  ) {
    this.name = name;
    this.dataDir = path.join(folder, name);
    this.logFile = path.join(folder, `${name}.log`);
    this.port = ports.port;
    this.webPort = ports.web;
  }

  get isRunning(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  start(verb: "agent" | "bootstrap", args: readonly string[]): void {
    const common = ["--name", this.name, "--data-dir", this.dataDir];
    const listen = ["--listen", `127.0.0.1:${this.port}`];
    const log = openSync(this.logFile, "a");
    this.child = spawn(muster, [verb, ...common, ...listen, ...args], {
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    this.child.unref();
  }

  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.child;
    if (child === null || !this.isRunning) return;
    child.ref();
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  /** The last lines of the agent's log: what to show when it does not come up. */
  logTail(): string {
    if (!existsSync(this.logFile)) return "(it was not started)";
    return readFileSync(this.logFile, "utf8").split("\n").slice(-8).join("\n");
  }

  cli(args: readonly string[]): Promise<CommandResult> {
    return run(muster, ["--data-dir", this.dataDir, ...args]);
  }
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end; a non-zero exit code is a result, not an exception. */
export function run(file: string, args: readonly string[]): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  execFile(file, [...args], { timeout: 60_000 }, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
    resolve({ code, stdout, stderr });
  });
  return promise;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** The page on a port, or null when nothing listens there. */
export function fetchPage(port: number): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const request = http.get({ host: "127.0.0.1", port, timeout: 5000 }, (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    response.on("end", () => resolve(text));
  });
  request.on("timeout", () => request.destroy());
  request.on("error", () => resolve(null));
  return promise;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
