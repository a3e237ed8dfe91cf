/**
 * Real agents as processes: each with its own data directory and loopback port, started through bin/muster as
 * an operator would, killed and restarted at will, and gone at the end with all they left.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { ask, type HttpAnswer } from "./http.ts";
import { until } from "./until.ts";

export const repository = path.join(import.meta.dirname, "../..");

/**
 * The program under test: a bundle made for this test run where there is one, also after this file was loaded. Agents
 * start several times as fast from it.
 */
export function musterBin(): string {
  return process.env["MUSTER_TEST_BIN"] ?? path.join(repository, "bin/muster");
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ApiOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  server.close();
  await once(server, "close");
  return port;
}

export class TestAgent {
  readonly name: string;
  readonly dataDir: string;
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess | null = null;

  constructor(name: string, folder: string, port: number) {
    this.name = name;
    this.port = port;
    this.#folder = folder;
    this.dataDir = path.join(folder, name);
  }

  get socket(): string {
    return path.join(this.dataDir, "api.sock");
  }

  get logFile(): string {
    return path.join(this.#folder, `${this.name}.log`);
  }

  /** Where its peers reach it. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** The program to run, with what comes before the verb. */
  protected get command(): readonly [string, ...string[]] {
    return [musterBin()];
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get running(): boolean {
    const child = this.#child;
    return child !== null && child.exitCode === null && child.signalCode === null;
  }

  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  /** Starts `muster VERB` in the foreground; its output goes to the log file. */
  start(
    verb: "agent" | "bootstrap",
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): void {
    const log = openSync(this.logFile, "a");
    const common = ["--data-dir", this.dataDir, "--name", this.name];
    const listen = ["--listen", this.address, "--gossip-profile", "local"];
    const [program, ...before] = this.command;
    this.#child = spawn(program, [...before, verb, ...common, ...listen, ...args], {
      stdio: ["ignore", log, log],
      env: { ...cleanEnvironment(), ...env },
      cwd: this.#folder,
    });
    closeSync(log);
  }

  /** Sends a signal and waits until the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === null || !this.running) return child?.exitCode ?? null;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
    return child.exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async exited(deadlineMs = 20_000): Promise<number | null> {
    await until({ what: `${this.name} exits`, deadlineMs }, () => !this.running);
    return this.#child?.exitCode ?? null;
  }

  api(method: string, route: string, options: ApiOptions = {}): Promise<HttpAnswer> {
    return ask({ socketPath: this.socket, method, path: route, ...options });
  }

  /** The body of a successful GET. */
  async get<T>(route: string): Promise<T> {
    const answer = await this.api("GET", route);
    if (answer.status !== 200) throw new Error(`GET ${route}: ${answer.status} ${answer.text}`);
    return answer.json as T;
  }

  /** Runs the CLI against this agent. Never rejects on a non-zero exit code. */
  cli(args: readonly string[], input?: string): Promise<CliResult> {
    return runCli(["--api-socket", this.socket, ...args], input);
  }
}

export function runCli(args: readonly string[], input?: string): Promise<CliResult> {
  const { promise, resolve } = Promise.withResolvers<CliResult>();
  const limits = { timeout: 120_000, maxBuffer: 64 << 20 };
  const child = execFile(
    musterBin(),
    [...args],
    { ...limits, env: cleanEnvironment() },
    (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    },
  );
  child.stdin?.end(input ?? "");
  return promise;
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([key]) => !key.startsWith("MUSTER_"));
  return { ...Object.fromEntries(kept), NO_COLOR: "1" };
}

export interface ClusterOptions {
  readonly size: number;
  readonly configRepo?: string;
  /** Extra arguments of every agent. */
  readonly args?: readonly string[];
  readonly names?: readonly string[];
  /** Agents of another kind than processes on the loopback address. */
  readonly create?: (name: string, folder: string) => Promise<TestAgent>;
  /** Begins the name of the cluster's folder below the system's temporary one. */
  readonly prefix?: string;
}

interface StatusBody {
  readonly node: string;
  readonly leader: { readonly id: string; readonly name: string } | null;
  readonly voters: readonly { readonly name: string }[];
  readonly cluster: { readonly id: string } | null;
  readonly nodes: { readonly total: number };
}

async function onLoopback(name: string, folder: string): Promise<TestAgent> {
  return new TestAgent(name, folder, await freePort());
}

export class TestCluster implements AsyncDisposable {
  readonly agents: TestAgent[] = [];
  readonly folder: string;
  readonly #args: readonly string[];

  private constructor(folder: string, args: readonly string[]) {
    this.folder = folder;
    this.#args = args;
  }

  /** A cluster of `size` agents, all joined, all voters that can be. */
  static async start(options: ClusterOptions): Promise<TestCluster> {
    const folder = await mkdtemp(path.join(os.tmpdir(), options.prefix ?? "muster-test-"));
    const cluster = new TestCluster(folder, options.args ?? []);
    try {
      const names = options.names ?? Array.from({ length: options.size }, (_, i) => `n${i + 1}`);
      const create = options.create ?? onLoopback;
      for (const name of names) cluster.agents.push(await create(name, folder));
      const repo = options.configRepo === undefined ? [] : ["--config-repo", options.configRepo];
      cluster.first.start("bootstrap", [...repo, ...cluster.#args]);
      await cluster.ready(cluster.first, 1);
      const rest = cluster.agents.slice(1);
      for (const agent of rest) await cluster.join(agent);
      await cluster.settled(names.length);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get first(): TestAgent {
    return this.agent(0);
  }

  agent(which: number | string): TestAgent {
    const found =
      typeof which === "number"
        ? this.agents[which]
        : this.agents.find((candidate) => candidate.name === which);
    if (found === undefined) throw new Error(`No agent ${which}`);
    return found;
  }

  /** Starts `agent` with a fresh join token of `seed`. */
  async join(agent: TestAgent, seed: TestAgent = this.live()): Promise<void> {
    const created = await until({ what: "a join token is made" }, async () => {
      const answer = await seed.api("POST", "/v1/tokens", { body: { kind: "join", uses: 1 } });
      return answer.status === 201 ? (answer.json as { token: string }) : null;
    });
    const file = path.join(this.folder, `${agent.name}.token`);
    await writeFile(file, created.token, { mode: 0o600 });
    const seeds = ["--join", seed.address, "--join-token-file", file];
    agent.start("agent", [...seeds, ...this.#args]);
  }

  /** Starts an agent that has joined before: neither seeds nor token. */
  restart(agent: TestAgent): void {
    agent.start("agent", this.#args);
  }

  live(but?: TestAgent): TestAgent {
    const found = this.agents.find((agent) => agent.running && agent !== but);
    if (found === undefined) throw new Error("No agent runs");
    return found;
  }

  async ready(agent: TestAgent, nodes: number): Promise<void> {
    await until({ what: `${agent.name} serves ${nodes} nodes`, deadlineMs: 120_000 }, async () => {
      if (!agent.running) throw new Error(`${agent.name} exited:\n${agent.log().slice(-1500)}`);
      const status = await agent.get<StatusBody>("/v1/status");
      const ready = await agent.api("GET", "/readyz");
      const { leader, nodes: known } = status;
      if (ready.status === 200 && leader !== null && known.total >= nodes) return true;
      throw new Error(`${known.total} nodes, ${leader?.name} leads, readyz: ${ready.text}`);
    });
  }

  /** Every running agent sees all nodes, and the voter set has the size it should. */
  async settled(nodes: number): Promise<void> {
    const voters = nodes >= 5 ? 5 : nodes >= 3 ? 3 : nodes;
    for (const agent of this.agents.filter((candidate) => candidate.running)) {
      await this.ready(agent, nodes);
      await until({ what: `${agent.name} sees ${voters} voters`, deadlineMs: 60_000 }, async () => {
        const status = await agent.get<StatusBody>("/v1/status");
        return status.voters.length === voters;
      });
    }
  }

  /** The agent that leads, as a majority of the running agents says. */
  leader(but?: TestAgent): Promise<TestAgent> {
    return until({ what: "a running leader is known", deadlineMs: 30_000 }, async () => {
      const status = await this.live(but).get<StatusBody>("/v1/status");
      if (status.leader === null) return null;
      const agent = this.agents.find((candidate) => candidate.name === status.leader?.name);
      return agent !== undefined && agent.running && agent !== but ? agent : null;
    });
  }

  async follower(): Promise<TestAgent> {
    const leader = await this.leader();
    const found = this.agents.find((agent) => agent.running && agent !== leader);
    if (found === undefined) throw new Error("No follower runs");
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents) await agent.kill("SIGKILL");
    await killLeftovers(this.folder);
    // Who was killed a moment ago may still have left a file.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Ends, by pid, every process that works for this test's folder: shims, and what actions started. */
export async function killLeftovers(folder: string): Promise<number> {
  let killed = 0;
  for (const pid of await processesOf(folder)) {
    try {
      process.kill(pid, "SIGKILL");
      killed += 1;
    } catch {
      // It ended by itself between the look and the kill.
    }
  }
  return killed;
}

/** Processes whose command line, environment or working directory names `folder`. */
export async function processesOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const read = (file: string): Promise<string> =>
      readFile(`/proc/${entry}/${file}`, "latin1").catch(() => "");
    const text = (await read("cmdline")) + (await read("environ"));
    if (text.includes(folder)) found.push(Number(entry));
  }
  return found;
}

/** A git repository made from a folder of the checkout. */
export async function gitRepository(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await git(folder, ["init", "-q", "-b", "main"]);
  await commitFiles(folder, files);
  return folder;
}

/** Writes files (those that begin with `#!` executable) and commits them; returns the commit. */
export async function commitFiles(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  }
  await git(folder, ["add", "-A"]);
  await git(folder, ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "test"]);
  return git(folder, ["rev-parse", "HEAD"]);
}

export async function git(folder: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile("git", ["-C", folder, ...args], (error, stdout, stderr) => {
    if (error === null) resolve(stdout.trim());
    else reject(new Error(`git ${args.join(" ")}: ${stderr}`));
  });
  return promise;
}
